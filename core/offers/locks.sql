-- Locks on offers, taken before anything changes them and in the order of their ids.

-- name: lock_listings
-- Offers locked in key order, before a statement that changes them in an order of its own: two that change the
-- same ones then wait for each other instead of for ever.
SELECT offer.listing_id FROM offer WHERE offer.listing_id = ANY ($1::int[]) ORDER BY offer.listing_id FOR UPDATE

-- name: lock_skus_of_channel
SELECT offer.listing_id
FROM offer
JOIN listing ON listing.listing_id = offer.listing_id
WHERE listing.channel_id = $1::int AND ($2::int[] IS NULL OR listing.sku_id = ANY ($2::int[]))
ORDER BY offer.listing_id
FOR UPDATE OF offer

-- name: lock_refs_of_channel
SELECT offer.listing_id
FROM offer
JOIN listing ON listing.listing_id = offer.listing_id
WHERE listing.channel_id = $1::int AND listing.listing_ref = ANY ($2::text[])
ORDER BY offer.listing_id
FOR UPDATE OF offer

-- name: lock_doubts
SELECT offer.listing_id
FROM offer
JOIN listing ON listing.listing_id = offer.listing_id
WHERE listing.channel_id = $1::int AND offer.doubt_quantity IS NOT NULL
ORDER BY offer.listing_id
FOR UPDATE OF offer
