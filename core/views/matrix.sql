-- Every SKU with how long its stock lasts and what is wrong with its listings: the order of the stock matrix.

-- name: matrix
-- $1: now; $2: a pattern for reference, title and brand; $3: a state that some listing has, or 'any' of them;
-- $4: only SKUs listed on this channel; $5: by 'ref', 'cover' or 'trouble'; $6, $7: page; $8: the half-life of the
-- slow sums of sales and $9 the least time they are taken over, as core.offers.history.selling reckons speeds.
WITH asked AS MATERIALIZED (
    SELECT DISTINCT drift.listing_id
    FROM drift
    WHERE drift.asks AND drift.decision IS NULL AND drift.listing_id IS NOT NULL
),
held AS MATERIALIZED (
    SELECT price_hold.listing_id FROM price_hold WHERE price_hold.verdict IS NULL
),
tripped AS MATERIALIZED (
    SELECT guard_trip.channel_id, guard_trip.listing_id FROM guard_trip WHERE guard_trip.opened_at IS NULL
),
-- What is wrong with each listing, the worst first; listings that are well have an empty list.
cell AS (
    SELECT listing.sku_id, listing.listing_id,
        array_remove(ARRAY[
            CASE WHEN offer.refusal IS NOT NULL THEN 'refused' END,
            CASE WHEN offer.doubt_quantity IS NOT NULL THEN 'in_doubt' END,
            CASE WHEN asked.listing_id IS NOT NULL OR (
                offer.observed_at >= offer.published_at AND offer.dirty_version = offer.acked_version
                AND (offer.observed_quantity > offer.published_quantity
                    -- A channel reckons one side of a price by itself, and rounds it: only both sides are telling.
                    OR abs(offer.observed_price_minor - offer.published_price_minor) > 1
                        AND coalesce(abs(offer.observed_net_minor - offer.published_net_minor) > 1, true)
                    OR offer.observed_on AND NOT offer.published_on)
            ) THEN 'drifted' END,
            CASE WHEN EXISTS (
                SELECT FROM tripped
                WHERE tripped.channel_id = listing.channel_id
                    AND (tripped.listing_id IS NULL OR tripped.listing_id = listing.listing_id)
            ) THEN 'guarded' END,
            CASE WHEN offer.why ->> 'price_state' NOT IN ('priced', 'held') THEN 'no_price' END,
            CASE WHEN held.listing_id IS NOT NULL THEN 'price_held' END,
            CASE WHEN EXISTS (
                SELECT FROM kill_switch
                WHERE kill_switch.scope = 'everything'
                    OR (kill_switch.scope = 'channel' AND kill_switch.subject_id = listing.channel_id)
                    OR (kill_switch.scope = 'sku' AND kill_switch.subject_id = listing.sku_id)
            ) THEN 'stopped' END,
            CASE WHEN channel.paused_at IS NOT NULL THEN 'paused' END,
            CASE WHEN offer.why -> 'quantity' -> -1 ->> 'rule' = 'held back' THEN 'held_back' END
        ], NULL) AS states
    FROM listing
    JOIN channel ON channel.channel_id = listing.channel_id
    LEFT JOIN offer ON offer.listing_id = listing.listing_id
    LEFT JOIN asked ON asked.listing_id = listing.listing_id
    LEFT JOIN held ON held.listing_id = listing.listing_id
    WHERE $4::text IS NULL OR channel.name = $4::text
),
standing AS (
    SELECT cell.sku_id, array_agg(cell.listing_id ORDER BY cell.listing_id) AS listing_ids,
        array_agg(array_to_string(cell.states, ' ') ORDER BY cell.listing_id) AS states,
        -- The worst state of any listing, then how many are not well.
        min(array_position(
            ARRAY['refused', 'in_doubt', 'drifted', 'guarded', 'no_price', 'price_held', 'stopped', 'paused', 'held_back'],
            cell.states[1]
        )) AS worst,
        count(*) FILTER (WHERE cell.states <> '{}') AS unwell
    FROM cell
    GROUP BY cell.sku_id
    HAVING $3::text IS NULL OR bool_or(
        CASE WHEN $3::text = 'any' THEN cell.states <> '{}' ELSE $3::text = ANY (cell.states) END
    )
),
speed AS (
    SELECT selling.sku_id, min(selling.first_sold_at) AS first_sold_at,
        sum(faded(selling.slow_units, extract(epoch FROM $1::timestamptz - selling.counted_at)::float8, $8::float8))
            AS units
    FROM selling
    GROUP BY selling.sku_id
),
stock AS (
    SELECT sku_id, sum(free)::bigint AS free
    FROM stock_of_house()
    WHERE expires_at > $1::timestamptz
    GROUP BY sku_id
),
found AS (
    SELECT sku.sku_id, sku.sku_ref, sku.title, sku.tags, coalesce(stock.free, 0) AS free,
        86400 * coalesce(speed.units, 0) / ($8::float8 / ln(2) * (1 - power(2, -greatest(
            extract(epoch FROM $1::timestamptz - least(sku.created_at, speed.first_sold_at))::float8, $9::float8
        ) / $8::float8))) AS per_day,
        coalesce(standing.listing_ids, '{}') AS listing_ids, coalesce(standing.states, '{}') AS states,
        standing.worst, coalesce(standing.unwell, 0) AS unwell
    FROM sku
    LEFT JOIN standing ON standing.sku_id = sku.sku_id
    LEFT JOIN speed ON speed.sku_id = sku.sku_id
    LEFT JOIN stock ON stock.sku_id = sku.sku_id
    WHERE ($2::text IS NULL OR sku.sku_ref ILIKE $2::text OR sku.title ILIKE $2::text OR sku.brand ILIKE $2::text)
        AND (($3::text IS NULL AND $4::text IS NULL) OR standing.sku_id IS NOT NULL)
)
SELECT found.sku_id, found.sku_ref, found.title, found.tags, found.free, found.per_day, found.listing_ids,
    found.states, count(*) OVER () AS skus
FROM found
ORDER BY
    CASE WHEN $5::text = 'trouble' THEN found.worst END NULLS LAST,
    CASE WHEN $5::text = 'trouble' THEN found.unwell END DESC NULLS LAST,
    -- What does not sell lasts for ever.
    CASE WHEN $5::text <> 'ref' THEN found.free / nullif(found.per_day, 0) END NULLS LAST,
    found.sku_ref
LIMIT $6::int OFFSET $7::int

-- name: channel_ids
SELECT channel_id, name FROM channel
