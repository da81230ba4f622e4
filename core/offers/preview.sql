-- name: skus_of_channel
SELECT DISTINCT listing.sku_id
FROM listing
WHERE listing.channel_id = $1::int AND listing.sku_id > $2::int
ORDER BY listing.sku_id
LIMIT $3::int

-- name: offer_states
-- How far each offer is in going out.
SELECT offer.listing_id, sku.sku_ref, offer.dirty_version > offer.acked_version AS marked,
    nullif(offer.retry_at, '-infinity') AS retry_at,
    offer.refusal, offer.failures
FROM offer
JOIN listing ON listing.listing_id = offer.listing_id
JOIN sku ON sku.sku_id = listing.sku_id
WHERE offer.listing_id = ANY ($1::int[])
