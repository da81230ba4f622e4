-- name: next_skus
-- SKUs of a channel in the order of their ids, a chunk at a time.
SELECT DISTINCT listing.sku_id
FROM listing
WHERE listing.channel_id = $1::int AND listing.sku_id > $2::int
ORDER BY listing.sku_id
LIMIT $3::int

-- name: skus_of_listings
SELECT DISTINCT listing.sku_id FROM listing WHERE listing.listing_id = ANY ($1::int[]) ORDER BY listing.sku_id

-- name: offers_of_channel
-- The offers of some SKUs on one channel, as they stand, and without a lock: what is read here decides only what
-- is looked at again.
SELECT offer.listing_id, listing.channel_id, listing.listing_ref, listing.sku_id, listing.enabled,
    offer.dirty_version, offer.dirty_since, offer.telling_quantity, offer.doubt_quantity,
    offer.published_quantity, offer.published_price_minor, offer.published_net_minor, offer.published_on,
    offer.observed_quantity, offer.counted_there
FROM offer
JOIN listing ON listing.listing_id = offer.listing_id
WHERE listing.channel_id = $1::int AND listing.sku_id = ANY ($2::int[])
ORDER BY offer.listing_id

-- name: last_worked_out
-- What was wanted when offers were last worked out; those that will be worked out anyhow are left out.
SELECT offer.listing_id, offer.wanted_price_minor, offer.wanted_net_minor, offer.why ->> 'price_state' AS price_state,
    price_hold.price_minor AS asked_minor, offer.wanted_quantity,
    -- What a flash sale's quota lowered it to, if one did.
    (jsonb_path_query_first(offer.why, '$.quantity[*] ? (@.rule == "flash").quantity') #>> '{}')::int AS within_quota
FROM offer
LEFT JOIN price_hold ON price_hold.listing_id = offer.listing_id AND price_hold.verdict IS NULL
WHERE offer.listing_id = ANY ($1::int[])
    AND offer.dirty_version = offer.acked_version
    AND offer.why IS NOT NULL
