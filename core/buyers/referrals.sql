-- name: referrers
-- Who brought each of these people at a moment, and who brought those. There is no third level to read.
SELECT asked.buyer_id, asked.at, direct.name AS direct, indirect.name AS indirect
FROM unnest($1::bigint[], $2::timestamptz[]) asked(buyer_id, at)
CROSS JOIN LATERAL (SELECT referrer_at(person_of(asked.buyer_id), asked.at) AS buyer_id) first
JOIN buyer direct ON direct.buyer_id = first.buyer_id
LEFT JOIN buyer indirect ON indirect.buyer_id = referrer_at(first.buyer_id, asked.at)

-- name: ties
-- What ties a buyer to somebody who would be paid for bringing him.
SELECT asked.buyer_id, asked.referrer, asked.at, theirs.buyer_id AS known,
    own.person = theirs.person AS same,
    steps_to(theirs.person, own.person, asked.at) AS steps,
    ARRAY(
        SELECT DISTINCT mark.kind
        FROM names_of(own.person) name
        JOIN buyer_mark mark ON mark.buyer_id = name.buyer_id
        JOIN buyer_mark other ON other.hash = mark.hash AND other.kind = mark.kind
        JOIN names_of(theirs.person) other_name ON other_name.buyer_id = other.buyer_id
        ORDER BY mark.kind
    ) AS shared
FROM unnest($1::bigint[], $2::text[], $3::timestamptz[]) asked(buyer_id, referrer, at)
CROSS JOIN LATERAL (SELECT person_of(asked.buyer_id) AS person) own
JOIN LATERAL (
    SELECT buyer.buyer_id, person_of(buyer.buyer_id) AS person
    FROM buyer
    WHERE buyer.name = asked.referrer
) theirs ON true

-- name: lock_buyer_referral
-- Nobody else may say who brought him, or join him with another, until ours is committed.
SELECT pg_advisory_xact_lock(7709, 0)

-- name: standing_referral
-- What stands of a person's names at a moment: the one that was brought first.
SELECT buyer.name AS referrer, latest.since, latest.holds_until, latest.source
FROM names_of(person_of($1::bigint)) name
CROSS JOIN LATERAL (
    SELECT referral.referrer_id, referral.since, referral.holds_until, referral.source, referral.referral_no
    FROM referral
    WHERE referral.buyer_id = name.buyer_id AND referral.since <= $2::timestamptz
    ORDER BY referral.since DESC, referral.referral_no DESC
    LIMIT 1
) latest
JOIN buyer ON buyer.buyer_id = person_of(latest.referrer_id)
WHERE latest.holds_until IS NULL OR latest.holds_until > $2::timestamptz
ORDER BY latest.since, latest.referral_no
LIMIT 1

-- name: later_referral
-- When what is written of a person after a moment begins.
SELECT min(referral.since)
FROM names_of(person_of($1::bigint)) name
JOIN referral ON referral.buyer_id = name.buyer_id
WHERE referral.since > $2::timestamptz

-- name: add_party
INSERT INTO buyer (name, known_since)
VALUES ($1::text, $2::timestamptz)
ON CONFLICT ON CONSTRAINT buyer_name_once DO NOTHING

-- name: add_referral
INSERT INTO referral (buyer_id, referrer_id, since, holds_until, source, actor, told_at)
VALUES ($1::bigint, $2::bigint, $3::timestamptz, $4::timestamptz, $5::text, $6::text, $7::timestamptz)

-- name: end_referrals
-- Each name of the person that stands brought is brought by nobody from now on.
INSERT INTO referral (buyer_id, referrer_id, since, holds_until, source, actor, told_at)
SELECT name.buyer_id, NULL, $2::timestamptz, NULL, $3::text, $4::text, $2::timestamptz
FROM names_of(person_of($1::bigint)) name
CROSS JOIN LATERAL (
    SELECT referral.referrer_id, referral.holds_until
    FROM referral
    WHERE referral.buyer_id = name.buyer_id AND referral.since <= $2::timestamptz
    ORDER BY referral.since DESC, referral.referral_no DESC
    LIMIT 1
) latest
WHERE latest.referrer_id IS NOT NULL AND (latest.holds_until IS NULL OR latest.holds_until > $2::timestamptz)
RETURNING buyer_id

-- name: add_refusal
INSERT INTO referral_refusal (buyer_id, referrer, reason, source, actor, told_at)
VALUES ($1::bigint, $2::text, $3::text, $4::text, $5::text, $6::timestamptz)
ON CONFLICT ON CONSTRAINT referral_refusal_once DO NOTHING

-- name: brought_by
-- Whom a person has brought and still stands as having brought, by any of his names.
SELECT DISTINCT buyer.name, referral.since
FROM names_of(person_of($1::bigint)) name
JOIN referral ON referral.referrer_id = name.buyer_id
JOIN buyer ON buyer.buyer_id = referral.buyer_id
WHERE referrer_at(person_of(referral.buyer_id), $2::timestamptz) = person_of($1::bigint)
ORDER BY referral.since DESC, buyer.name
LIMIT $3::int

-- name: history
SELECT buyer.name AS buyer, referrer.name AS referrer, referral.since, referral.holds_until, referral.source, referral.actor,
    referral.told_at
FROM names_of(person_of($1::bigint)) name
JOIN referral ON referral.buyer_id = name.buyer_id
JOIN buyer ON buyer.buyer_id = referral.buyer_id
LEFT JOIN buyer referrer ON referrer.buyer_id = referral.referrer_id
ORDER BY referral.referral_no DESC
LIMIT $2::int

-- name: refusals
SELECT buyer.name AS buyer, refusal.referrer, refusal.reason, refusal.source, refusal.actor, refusal.told_at
FROM names_of(person_of($1::bigint)) name
JOIN referral_refusal refusal ON refusal.buyer_id = name.buyer_id
JOIN buyer ON buyer.buyer_id = refusal.buyer_id
ORDER BY refusal.refusal_no DESC
LIMIT $2::int
