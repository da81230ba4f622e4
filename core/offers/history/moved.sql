-- name: dirty_moved
-- Settled offers of SKUs that were sold in the last weeks and were not worked out for a while: what was measured of
-- their sales has changed since, if only by fading. Those refused wait for a change of ours.
WITH moved AS MATERIALIZED (
    SELECT offer.listing_id
    FROM offer
    JOIN listing ON listing.listing_id = offer.listing_id
    WHERE listing.channel_id = $1::int
        AND offer.dirty_version = offer.acked_version
        AND offer.refusal IS NULL
        AND offer.wanted_at < $2::timestamptz - $3::interval
        AND EXISTS (
            SELECT FROM selling
            WHERE selling.sku_id = listing.sku_id AND selling.last_sold_at > $2::timestamptz - interval '60 days'
        )
    ORDER BY offer.wanted_at
    LIMIT $4::int
),
-- In key order, as everywhere.
locked AS MATERIALIZED (
    SELECT offer.listing_id FROM offer JOIN moved ON moved.listing_id = offer.listing_id
    ORDER BY offer.listing_id
    FOR UPDATE OF offer
)
UPDATE offer
SET dirty_version = offer.dirty_version + 1, dirty_since = $2::timestamptz
FROM locked
WHERE offer.listing_id = locked.listing_id
