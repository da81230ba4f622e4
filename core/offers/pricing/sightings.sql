-- name: due_looks
-- Listings whose competitors were not looked at for a while, the longest ago first.
SELECT listing.listing_id, listing.listing_ref
FROM listing
LEFT JOIN competitor_look ON competitor_look.listing_id = listing.listing_id
WHERE listing.channel_id = $1::int
    AND listing.listing_id = ANY ($2::int[])
    AND coalesce(competitor_look.tried_at, '-infinity') < $3::timestamptz
ORDER BY competitor_look.tried_at NULLS FIRST, listing.listing_id
LIMIT $4::int

-- name: standing_sightings
SELECT sighting.listing_id, sighting.seller, sighting.price_minor, sighting.quantity, sighting.own
FROM competitor_look
JOIN sighting ON sighting.listing_id = competitor_look.listing_id AND sighting.seen_at = competitor_look.seen_at
WHERE competitor_look.listing_id = ANY ($1::int[])
ORDER BY sighting.listing_id, sighting.position

-- name: note_looks
-- One that saw something else, or is the first, is the look whose sightings hold. One that could not see leaves
-- what stands, which then grows old.
INSERT INTO competitor_look (listing_id, tried_at, looked_at, seen_at, detail)
SELECT look.listing_id, $5::timestamptz, CASE WHEN look.saw THEN $5::timestamptz END,
    CASE WHEN look.changed THEN $5::timestamptz END, look.detail
FROM unnest($1::int[], $2::boolean[], $3::boolean[], $4::text[]) look(listing_id, saw, changed, detail)
ON CONFLICT ON CONSTRAINT competitor_look_key DO UPDATE
SET tried_at = excluded.tried_at,
    looked_at = coalesce(excluded.looked_at, competitor_look.looked_at),
    seen_at = coalesce(excluded.seen_at, competitor_look.seen_at),
    detail = excluded.detail

-- name: add_sightings
INSERT INTO sighting (listing_id, seen_at, position, seller, price_minor, currency, quantity, own)
SELECT seen.listing_id, $8::timestamptz, seen.position, seen.seller, seen.price_minor, seen.currency, seen.quantity,
    seen.own
FROM unnest($1::int[], $2::smallint[], $3::text[], $4::bigint[], $5::text[], $6::int[], $7::boolean[])
    seen(listing_id, position, seller, price_minor, currency, quantity, own)

-- name: prune_sightings
-- Those of the last look stay, however old.
DELETE FROM sighting
USING competitor_look
WHERE sighting.listing_id = competitor_look.listing_id
    AND sighting.seen_at < $1::timestamptz
    AND sighting.seen_at <> competitor_look.seen_at
