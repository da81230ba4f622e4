-- name: priced_listings
-- Listings to explain, by what was asked for; NULL: any.
SELECT listing.listing_id, listing.sku_id, sku.sku_ref
FROM listing
JOIN channel ON channel.channel_id = listing.channel_id
JOIN sku ON sku.sku_id = listing.sku_id
WHERE ($1::text IS NULL OR channel.name = $1::text)
    AND ($2::text IS NULL OR listing.listing_ref = $2::text)
    AND ($3::text IS NULL OR sku.sku_ref = $3::text)
    AND listing.listing_id > $4::int
ORDER BY listing.listing_id
LIMIT $5::int
