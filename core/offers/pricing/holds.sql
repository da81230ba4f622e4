-- name: supersede_holds
-- Questions that nobody has to answer any more: of the listings that were worked out ($1), those that no longer
-- ask for the same price.
UPDATE price_hold
SET verdict = 'superseded', decided_at = $4::timestamptz, decided_by = 'consignd'
WHERE price_hold.verdict IS NULL
    AND price_hold.listing_id = ANY ($1::int[])
    AND NOT EXISTS (
        SELECT FROM unnest($2::int[], $3::bigint[]) asked(listing_id, price_minor)
        WHERE asked.listing_id = price_hold.listing_id AND asked.price_minor = price_hold.price_minor
    )

-- name: ask_holds
-- The same question is asked once.
INSERT INTO price_hold (listing_id, from_minor, price_minor, currency, why, asked_at)
SELECT asked.listing_id, asked.from_minor, asked.price_minor, asked.currency, asked.why, $6::timestamptz
FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::text[], $5::text[])
    asked(listing_id, from_minor, price_minor, currency, why)
ON CONFLICT (listing_id) WHERE verdict IS NULL DO NOTHING

-- name: lock_offer_of_hold
-- Before the hold itself: whoever works offers out has the offer when it comes to the hold.
SELECT offer.listing_id
FROM offer
JOIN price_hold ON price_hold.listing_id = offer.listing_id
WHERE price_hold.hold_id = $1::bigint
FOR UPDATE OF offer

-- name: decide_hold
UPDATE price_hold
SET verdict = $2::text, decided_by = $3::text, decided_at = $4::timestamptz, reason = $5::text
WHERE hold_id = $1::bigint AND verdict IS NULL
RETURNING listing_id

-- name: find_hold
SELECT verdict, decided_by FROM price_hold WHERE hold_id = $1::bigint

-- name: dirty_listing
-- Locked in key order, as everywhere.
WITH locked AS MATERIALIZED (
    SELECT offer.listing_id FROM offer
    WHERE offer.listing_id = ANY ($1::int[])
    ORDER BY offer.listing_id
    FOR UPDATE
)
UPDATE offer
SET dirty_version = offer.dirty_version + 1,
    dirty_since = CASE WHEN offer.dirty_version > offer.acked_version THEN offer.dirty_since ELSE $2::timestamptz END
FROM locked
WHERE offer.listing_id = locked.listing_id

-- name: find_listing
SELECT listing.listing_id, channel.currency
FROM listing
JOIN channel ON channel.channel_id = listing.channel_id
WHERE channel.name = $1::text AND listing.listing_ref = $2::text

-- name: sign_exception
INSERT INTO price_exception (listing_id, least_minor, currency, from_at, until_at, reason, signed_by, signed_at)
VALUES ($1::int, $2::bigint, $3::text, $4::timestamptz, $5::timestamptz, $6::text, $7::text, $8::timestamptz)
RETURNING exception_id

-- name: revoke_exception
UPDATE price_exception
SET revoked_at = $2::timestamptz, revoked_by = $3::text
WHERE exception_id = $1::bigint AND revoked_at IS NULL AND until_at > $2::timestamptz
RETURNING listing_id
