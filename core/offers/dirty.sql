-- What makes offers dirty: marks, time, other terms, people.

-- name: alone_with_marks
-- One at a time reads the marks of a channel: whoever waited reads from where the other ended, so that no mark
-- makes an offer dirty twice and no cursor goes back.
SELECT pg_advisory_xact_lock(7705, $1::int)

-- name: read_marks
-- Marks that a channel has not looked at yet. Ids rise in commit order within a lane, so a cursor loses none.
SELECT lanes.lane, fresh.mark_id, fresh.sku_id, fresh.listing_id, fresh.marked_at
FROM (SELECT DISTINCT lane FROM sku) lanes
LEFT JOIN channel_cursor ON channel_cursor.channel_id = $1::int
    AND channel_cursor.subject = 'marks.' || lanes.lane
CROSS JOIN LATERAL (
    SELECT stock_mark.mark_id, stock_mark.sku_id, stock_mark.listing_id, stock_mark.marked_at
    FROM stock_mark
    WHERE stock_mark.lane = lanes.lane
        AND stock_mark.mark_id > coalesce(channel_cursor.position::bigint, 0)
    ORDER BY stock_mark.mark_id
    LIMIT $2::int
) fresh

-- name: dirty_skus
-- For each SKU the oldest sale, its listing, and the oldest one on another listing: the lag that is measured
-- begins with the oldest sale elsewhere. Arrays that are left empty are filled up with NULL.
UPDATE offer
SET dirty_version = offer.dirty_version + 1,
    dirty_since = CASE
        WHEN offer.dirty_version > offer.acked_version THEN offer.dirty_since
        ELSE $3::timestamptz
    END,
    counted_there = offer.counted_there OR offer.listing_id = ANY ($4::int[]),
    sale_at = least(offer.sale_at, CASE
        WHEN marked.sold_on = offer.listing_id THEN marked.sold_elsewhere_at
        ELSE marked.sold_at
    END)
FROM unnest($2::int[], $5::timestamptz[], $6::int[], $7::timestamptz[])
    marked(sku_id, sold_at, sold_on, sold_elsewhere_at)
JOIN listing ON listing.sku_id = marked.sku_id AND listing.channel_id = $1::int
WHERE listing.listing_id = offer.listing_id

-- name: expired_skus
-- SKUs on a channel of which codes became too old for it in a span of time.
SELECT DISTINCT listing.sku_id
FROM listing
JOIN sku ON sku.sku_id = listing.sku_id
JOIN shelf ON shelf.lane = sku.lane AND shelf.sku_id = sku.sku_id
WHERE listing.channel_id = $1::int AND shelf.expires_at > $2::timestamptz AND shelf.expires_at <= $3::timestamptz

-- name: recount_listings
-- The channel has changed these by itself.
UPDATE offer
SET dirty_version = offer.dirty_version + 1, dirty_since = $2::timestamptz, counted_there = true
WHERE offer.listing_id = ANY ($1::int[])

-- name: dirty_channel
-- Everything on a channel is looked at again, for changed terms.
UPDATE offer
SET dirty_version = offer.dirty_version + 1, dirty_since = $2::timestamptz, retry_at = '-infinity'
FROM listing
WHERE listing.listing_id = offer.listing_id AND listing.channel_id = $1::int

-- name: tell_again
-- A person has decided something about these.
UPDATE offer
SET dirty_version = offer.dirty_version + 1, dirty_since = $2::timestamptz, retry_at = '-infinity', refusal = NULL,
    counted_there = true
WHERE offer.listing_id = ANY ($1::int[])

-- name: drop_read_marks
-- Marks that every channel has read. Rows behind all cursors are never looked at, so their remains cost nothing.
DELETE FROM stock_mark
WHERE stock_mark.mark_id <= (
    SELECT min(channel_cursor.position::bigint)
    FROM channel
    JOIN channel_cursor ON channel_cursor.channel_id = channel.channel_id
    WHERE channel_cursor.subject = 'marks.' || stock_mark.lane
)
AND stock_mark.marked_at < now() - interval '1 hour'
