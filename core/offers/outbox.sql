-- Dirty offers, and what their channels will be told.

-- name: dirty_listings
SELECT listing.listing_id, listing.sku_id
FROM offer
JOIN listing ON listing.listing_id = offer.listing_id
WHERE listing.channel_id = $1::int
    AND offer.dirty_version > offer.acked_version
    AND offer.retry_at <= $2::timestamptz
ORDER BY offer.urgent DESC, offer.dirty_since, listing.listing_id
LIMIT $3::int

-- name: lock_offers
-- All offers of some SKUs, on every channel, locked in key order: who raises a promise must see the others'.
SELECT offer.listing_id, listing.channel_id, listing.listing_ref, listing.sku_id, listing.enabled,
    offer.dirty_version, offer.dirty_since, offer.telling_quantity, offer.doubt_quantity,
    offer.published_quantity, offer.published_price_minor, offer.published_net_minor, offer.published_on,
    offer.observed_quantity, offer.counted_there
FROM offer
JOIN listing ON listing.listing_id = offer.listing_id
WHERE listing.sku_id = ANY ($1::int[])
ORDER BY offer.listing_id
FOR UPDATE OF offer

-- name: look_at_offers
-- The same without a lock, for those who only want to know.
SELECT offer.listing_id, listing.channel_id, listing.listing_ref, listing.sku_id, listing.enabled,
    offer.dirty_version, offer.dirty_since, offer.telling_quantity, offer.doubt_quantity,
    offer.published_quantity, offer.published_price_minor, offer.published_net_minor, offer.published_on,
    offer.observed_quantity, offer.counted_there
FROM offer
JOIN listing ON listing.listing_id = offer.listing_id
WHERE listing.sku_id = ANY ($1::int[])
ORDER BY offer.listing_id

-- name: write_wanted
UPDATE offer
SET wanted_quantity = wanted.quantity,
    wanted_price_minor = wanted.price_minor,
    wanted_net_minor = wanted.net_minor,
    wanted_on = wanted.is_on,
    wanted_at = $8::timestamptz,
    why = wanted.why,
    -- A telling that still stands here was never answered: its daemon died.
    doubt_quantity = greatest(offer.doubt_quantity, offer.telling_quantity),
    telling_quantity = wanted.telling,
    told_sale_at = CASE
        WHEN wanted.telling IS NULL THEN offer.told_sale_at
        ELSE least(offer.told_sale_at, offer.sale_at)
    END,
    sale_at = CASE WHEN wanted.telling IS NULL THEN offer.sale_at END,
    told_at = CASE WHEN wanted.telling IS NULL THEN offer.told_at ELSE $8::timestamptz END
FROM unnest($1::int[], $2::int[], $3::bigint[], $4::bigint[], $5::boolean[], $6::jsonb[], $7::int[])
    wanted(listing_id, quantity, price_minor, net_minor, is_on, why, telling)
WHERE offer.listing_id = wanted.listing_id

-- name: note_promises
INSERT INTO promise (listing_id, quantity, price_minor, before_quantity, promised_total, available,
    bound_permille, promised_at)
SELECT told.listing_id, told.quantity, told.price_minor, told.before_quantity, told.promised_total, told.available,
    told.bound_permille, $8::timestamptz
FROM unnest($1::int[], $2::int[], $3::bigint[], $4::int[], $5::int[], $6::int[], $7::int[])
    told(listing_id, quantity, price_minor, before_quantity, promised_total, available, bound_permille)
