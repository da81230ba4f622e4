-- name: listing_places
-- Currency and channel of some listings.
SELECT listing.listing_id, listing.channel_id, channel.currency
FROM listing
JOIN channel ON channel.channel_id = listing.channel_id
WHERE listing.listing_id = ANY ($1::int[])

-- name: changes_since
-- What each listing was told since a moment, the oldest first. A first price is no change.
SELECT listing_id, changed_at AS at, was_minor AS before_minor, price_minor AS after_minor
FROM price_change
WHERE listing_id = ANY ($1::int[]) AND changed_at > $2::timestamptz AND was_minor IS NOT NULL
ORDER BY listing_id, changed_at, change_id

-- name: current_sightings
-- The sightings that still hold, in the marketplace's order. A look that saw the same again says so: as old as
-- the last look, not as the first that saw it.
SELECT sighting.listing_id, sighting.seller, sighting.price_minor, sighting.currency, sighting.quantity,
    sighting.own, competitor_look.looked_at AS seen_at
FROM competitor_look
JOIN sighting ON sighting.listing_id = competitor_look.listing_id AND sighting.seen_at = competitor_look.seen_at
WHERE competitor_look.listing_id = ANY ($1::int[])
ORDER BY sighting.listing_id, sighting.position

-- name: free_changes_told
-- What a channel said itself of its free changes.
SELECT listing_id, free_changes_left AS left_over, next_free_change_at AS next_at, free_changes_seen_at AS seen_at
FROM offer
WHERE listing_id = ANY ($1::int[]) AND free_changes_seen_at IS NOT NULL

-- name: exceptions_in_force
SELECT listing_id, least_minor, currency, signed_by, reason AS why, from_at, until_at AS until
FROM price_exception
WHERE listing_id = ANY ($1::int[])
    AND revoked_at IS NULL
    AND from_at <= $2::timestamptz
    AND until_at > $2::timestamptz
ORDER BY listing_id, exception_id

-- name: last_verdicts
-- What a person said last; what was superseded nobody decided.
SELECT DISTINCT ON (listing_id) listing_id, price_minor, currency, verdict = 'approved' AS approved, decided_by,
    decided_at
FROM price_hold
WHERE listing_id = ANY ($1::int[]) AND verdict IN ('approved', 'refused') AND decided_at > $2::timestamptz
ORDER BY listing_id, decided_at DESC, hold_id DESC

-- name: nearest_quotes
-- Of the fresh answers of the channel's calculator the one that was given last.
SELECT DISTINCT ON (listing_id) listing_id, gross_minor, net_minor, quoted_at
FROM fee_quote
WHERE listing_id = ANY ($1::int[]) AND quoted_at > $2::timestamptz
ORDER BY listing_id, quoted_at DESC

-- name: sold_in_spans
-- Units that orders took of each listing in each of some windows, also where they were given back later. Whole
-- hours come from their sums, by SKU and channel; what stands at the ends is counted order by order.
WITH span AS MATERIALIZED (
    SELECT asked.listing_id, asked.name, listing.sku_id, listing.channel_id, asked.from_at, asked.until,
        -- The whole hours in it that were counted.
        date_trunc('hour', asked.from_at + interval '1 hour' - interval '1 microsecond') AS hours_from,
        least(date_trunc('hour', asked.until), date_trunc('hour', counted.reached)) AS hours_until
    FROM unnest($1::int[], $2::text[], $3::timestamptz[], $4::timestamptz[]) asked(listing_id, name, from_at, until)
    JOIN listing ON listing.listing_id = asked.listing_id
    CROSS JOIN (SELECT reached FROM history_cursor WHERE subject = 'sales') counted
),
-- What is left at the ends; where no hour is whole, one part is all of it.
part AS MATERIALIZED (
    SELECT listing_id, name, from_at,
        CASE WHEN hours_from < hours_until THEN hours_from ELSE until END AS until
    FROM span
    UNION ALL
    SELECT listing_id, name, hours_until, until FROM span WHERE hours_from < hours_until
),
-- Windows have few different ends, so each stretch of orders is read once for all listings.
sold AS MATERIALIZED (
    SELECT stretch.from_at, stretch.until, order_line.listing_id, sum(order_line.quantity) AS units
    FROM (SELECT DISTINCT from_at, until FROM part WHERE from_at < until) stretch
    JOIN channel_order ON channel_order.created_at >= stretch.from_at AND channel_order.created_at < stretch.until
    JOIN order_line ON order_line.order_id = channel_order.order_id
    WHERE order_line.listing_id = ANY ($1::int[]) AND channel_order.first_state NOT IN ('refused', 'cancelled')
    GROUP BY stretch.from_at, stretch.until, order_line.listing_id
)
SELECT span.listing_id, span.name, (
        coalesce((
            SELECT sum(sale_hour.units)
            FROM sale_hour
            WHERE sale_hour.sku_id = span.sku_id
                AND sale_hour.channel_id = span.channel_id
                AND sale_hour.hour >= span.hours_from
                AND sale_hour.hour < span.hours_until
        ), 0)
        + coalesce((
            SELECT sum(sold.units)
            FROM part
            JOIN sold ON sold.from_at = part.from_at
                AND sold.until = part.until
                AND sold.listing_id = part.listing_id
            WHERE part.listing_id = span.listing_id AND part.name = span.name
        ), 0)
    )::int AS units
FROM span
