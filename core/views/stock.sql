-- How much of each SKU is where, and what its listings show. Counting goes by slot numbers, not code by code.

-- name: sku_page
-- SKUs after one, in order of their reference; the pattern looks in reference, title and brand.
SELECT sku.sku_id, sku.sku_ref, sku.title, sku.brand, sku.kind, sku.region, sku.face_value_minor, sku.face_currency
FROM sku
WHERE sku.sku_ref > $1::text
    AND ($2::text IS NULL OR sku.sku_ref = $2::text)
    AND ($3::text IS NULL OR sku.sku_ref ILIKE $3::text OR sku.title ILIKE $3::text OR sku.brand ILIKE $3::text)
ORDER BY sku.sku_ref
LIMIT $4::int

-- name: counts
-- Slots of a shelf are numbered without gaps, and sold from the lowest: those up to the last one taken are sold
-- or left, those above are free or left. A code given back stands again at a further slot of the same shelf, so
-- what was imported is the slots less the codes given back.
SELECT shelf.sku_id,
    coalesce(sum(shelf.tail - gone.released), 0)::bigint AS imported,
    coalesce(sum(shelf.free) FILTER (WHERE shelf.expires_at > $2::timestamptz), 0)::bigint AS available,
    coalesce(sum(shelf.free) FILTER (WHERE shelf.expires_at <= $2::timestamptz), 0)::bigint AS expired,
    coalesce(sum(shelf.head - gone.below), 0)::bigint AS taken,
    coalesce(sum(gone.quarantined), 0)::bigint AS quarantined,
    coalesce(sum(gone.withdrawn), 0)::bigint AS withdrawn,
    min(shelf.expires_at) FILTER (
        WHERE shelf.expires_at > $2::timestamptz AND shelf.expires_at < 'infinity' AND shelf.free > 0
    ) AS next_expiry
FROM stock_of_skus($1::int[]) shelf
CROSS JOIN LATERAL departed_of_shelf(shelf.lane, shelf.shelf_id, shelf.head) gone
GROUP BY shelf.sku_id

-- name: reserved
-- Codes kept for orders that have not ended. Only open orders are looked at, and they are few.
SELECT shelf.sku_id, count(*)::bigint AS reserved
FROM open_order
JOIN allocation ON allocation.order_id = open_order.order_id
JOIN shelf ON shelf.lane = allocation.lane AND shelf.shelf_id = allocation.shelf_id
WHERE shelf.sku_id = ANY ($1::int[])
    AND NOT EXISTS (
        SELECT FROM departure
        WHERE departure.lane = allocation.lane
            AND departure.shelf_id = allocation.shelf_id
            AND departure.slot = allocation.slot
    )
GROUP BY shelf.sku_id

-- name: prices
SELECT sku_id, currency, base_price_minor
FROM sku_price
WHERE sku_id = ANY ($1::int[])
ORDER BY sku_id, currency

-- name: listings
-- What listings should show, were told to show, and were seen to show, by channel. One whose stock has changed and
-- whose channel has not looked at that yet is dirty, too: what it should show is not worked out.
WITH unread AS MATERIALIZED (
    SELECT DISTINCT channel.channel_id, fresh.sku_id
    FROM channel
    CROSS JOIN (SELECT DISTINCT lane FROM sku) lanes
    LEFT JOIN channel_cursor ON channel_cursor.channel_id = channel.channel_id
        AND channel_cursor.subject = 'marks.' || lanes.lane
    CROSS JOIN LATERAL (
        SELECT stock_mark.sku_id
        FROM stock_mark
        WHERE stock_mark.lane = lanes.lane
            AND stock_mark.mark_id > coalesce(channel_cursor.position::bigint, 0)
        ORDER BY stock_mark.mark_id
        -- Where a channel was away for days its marks are many, and people do not wait for a page.
        LIMIT 1000
    ) fresh
    WHERE $2::text IS NULL OR channel.name = $2::text
)
SELECT listing.listing_id, listing.sku_id, sku.sku_ref, sku.title, channel.name AS channel, channel.currency,
    listing.listing_ref, listing.enabled, channel.paused_at IS NOT NULL AS paused,
    offer.wanted_quantity, offer.wanted_price_minor, offer.wanted_net_minor, offer.wanted_on, offer.wanted_at,
    offer.published_quantity, offer.published_price_minor, offer.published_net_minor, offer.published_on,
    offer.published_at,
    offer.observed_quantity, offer.observed_price_minor, offer.observed_net_minor, offer.observed_on,
    offer.observed_at,
    coalesce(offer.dirty_version > offer.acked_version, false) OR unread.sku_id IS NOT NULL AS dirty, offer.dirty_since,
    offer.telling_quantity, nullif(offer.retry_at, '-infinity') AS retry_at,
    coalesce(offer.failures, 0) AS failures, offer.refusal, coalesce(offer.drifts, 0) AS drifts, offer.why
FROM listing
JOIN channel ON channel.channel_id = listing.channel_id
JOIN sku ON sku.sku_id = listing.sku_id
LEFT JOIN offer ON offer.listing_id = listing.listing_id
LEFT JOIN unread ON unread.channel_id = listing.channel_id AND unread.sku_id = listing.sku_id
WHERE ($1::int[] IS NULL OR listing.sku_id = ANY ($1::int[]))
    AND ($2::text IS NULL OR channel.name = $2::text)
    AND listing.listing_id > $3::int
ORDER BY listing.listing_id
LIMIT $4::int

-- name: shelves
-- The shelves of a SKU in the order of sale, with what is free on each.
SELECT shelf.lane, shelf.shelf_id, consignor.name AS consignor, nullif(shelf.expires_at, 'infinity') AS expires_at,
    shelf.unit_cost_minor, shelf.currency, shelf.priority, shelf.free
FROM stock_of_skus(ARRAY[$1::int]) shelf
JOIN consignor ON consignor.consignor_id = shelf.consignor_id
ORDER BY shelf.expires_at, shelf.priority, shelf.shelf_id
LIMIT $2::int
