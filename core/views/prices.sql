-- name: holds
-- Prices that wait for a person, or ($1) all of them with what was decided, the newest first.
SELECT price_hold.hold_id, listing.listing_id, channel.name AS channel, listing.listing_ref, sku.sku_ref, price_hold.from_minor,
    price_hold.price_minor, price_hold.currency, price_hold.why, price_hold.asked_at, price_hold.verdict,
    price_hold.decided_by, price_hold.decided_at, price_hold.reason
FROM price_hold
JOIN listing ON listing.listing_id = price_hold.listing_id
JOIN channel ON channel.channel_id = listing.channel_id
JOIN sku ON sku.sku_id = listing.sku_id
WHERE (price_hold.verdict IS NULL OR $1::boolean) AND ($2::text IS NULL OR channel.name = $2::text)
    AND ($4::int IS NULL OR price_hold.listing_id = $4::int)
ORDER BY price_hold.hold_id DESC
LIMIT $3::int

-- name: exceptions
SELECT price_exception.exception_id, listing.listing_id, channel.name AS channel, listing.listing_ref, sku.sku_ref,
    price_exception.least_minor, price_exception.currency, price_exception.from_at, price_exception.until_at AS until,
    price_exception.reason, price_exception.signed_by, price_exception.signed_at, price_exception.revoked_at,
    price_exception.revoked_by
FROM price_exception
JOIN listing ON listing.listing_id = price_exception.listing_id
JOIN channel ON channel.channel_id = listing.channel_id
JOIN sku ON sku.sku_id = listing.sku_id
WHERE ($1::boolean OR (price_exception.revoked_at IS NULL AND price_exception.until_at > $2::timestamptz))
    AND ($4::int IS NULL OR price_exception.listing_id = $4::int)
ORDER BY price_exception.exception_id DESC
LIMIT $3::int

-- name: changes
-- What a listing was told, the newest first.
SELECT price_change.changed_at, price_change.was_minor, price_change.price_minor, price_change.net_minor
FROM price_change
WHERE price_change.listing_id = $1::int
ORDER BY price_change.changed_at DESC, price_change.change_id DESC
LIMIT $2::int

-- name: competitors
-- What other sellers were last seen to ask for a listing's product, and when.
SELECT sighting.seller, sighting.price_minor, sighting.currency, sighting.quantity, sighting.own,
    competitor_look.looked_at
FROM competitor_look
JOIN sighting ON sighting.listing_id = competitor_look.listing_id AND sighting.seen_at = competitor_look.seen_at
WHERE competitor_look.listing_id = $1::int
ORDER BY sighting.position

-- name: listing
SELECT listing.listing_id, channel.name AS channel, channel.currency, listing.listing_ref, sku.sku_ref, sku.title
FROM listing
JOIN channel ON channel.channel_id = listing.channel_id
JOIN sku ON sku.sku_id = listing.sku_id
WHERE listing.listing_id = $1::int

-- name: find_listings
-- $1: a pattern for a listing's reference and its SKU's reference and title.
SELECT listing.listing_id, channel.name AS channel, channel.currency, listing.listing_ref, sku.sku_ref, sku.title
FROM listing
JOIN channel ON channel.channel_id = listing.channel_id
JOIN sku ON sku.sku_id = listing.sku_id
WHERE $1::text IS NULL OR listing.listing_ref ILIKE $1::text OR sku.sku_ref ILIKE $1::text OR sku.title ILIKE $1::text
ORDER BY sku.sku_ref, channel.name, listing.listing_id
LIMIT $2::int
