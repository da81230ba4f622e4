-- name: lock_sale
-- One claim of a sale after the other, so that two orders of a buyer see each other.
SELECT pg_advisory_xact_lock(hashtextextended($1::text || ' ' || $2::timestamptz::text, 7722))

-- name: find_claim
SELECT pieces, is_over
FROM flash_claim
WHERE channel_id = $1::int AND order_ref = $2::text AND sale = $3::text AND sale_from = $4::timestamptz

-- name: pieces_claimed
-- What buyers who count as one have taken; orders that ended unsold, or were never written, count no more.
SELECT coalesce(sum(flash_claim.pieces), 0)::int AS pieces
FROM flash_claim
LEFT JOIN order_now ON order_now.channel_id = flash_claim.channel_id
    AND order_now.order_ref = flash_claim.order_ref
WHERE flash_claim.sale = $1::text
    AND flash_claim.sale_from = $2::timestamptz
    AND flash_claim.buyer_id = ANY ($3::bigint[])
    AND NOT flash_claim.is_over
    AND CASE
        WHEN order_now.order_id IS NULL THEN flash_claim.claimed_at > $4::timestamptz - interval '1 hour'
        ELSE order_now.state NOT IN ('cancelled', 'refunded', 'released', 'refused')
    END

-- name: add_claim
INSERT INTO flash_claim (channel_id, order_ref, sale, sale_from, buyer_id, pieces, is_over, claimed_at)
VALUES ($1::int, $2::text, $3::text, $4::timestamptz, $5::bigint, $6::int, $7::boolean, $8::timestamptz)

-- name: find_take
-- What was answered an order, and whether it has been let go since, or was never written: then others may have its
-- pieces.
SELECT flash_take.verdict,
    flash_take.verdict = 'sold' AND CASE
        WHEN order_now.order_id IS NULL THEN flash_take.taken_at <= $5::timestamptz - interval '1 hour'
        ELSE order_now.state IN ('released', 'refused')
    END AS let_go
FROM flash_take
LEFT JOIN order_now ON order_now.channel_id = flash_take.channel_id AND order_now.order_ref = flash_take.order_ref
WHERE flash_take.listing_id = $1::int
    AND flash_take.sale = $2::text
    AND flash_take.sale_from = $3::timestamptz
    AND flash_take.order_ref = $4::text

-- name: most_taken
-- Never less than what counts, and read without looking at a single order.
SELECT coalesce(sum(pieces), 0)::int
FROM flash_take
WHERE listing_id = $1::int AND sale = $2::text AND sale_from = $3::timestamptz AND verdict = 'sold'

-- name: sold_so_far
SELECT pieces, last_at FROM flash_sold($1::int, $2::text, $3::timestamptz, $4::timestamptz)

-- name: told_anew
-- When the channel was first told something after a moment that it has acknowledged by now. A listing is told often,
-- so only its last tellings are looked at.
SELECT min(telling.promised_at)
FROM offer
CROSS JOIN LATERAL (
    SELECT promise.promised_at
    FROM promise
    WHERE promise.listing_id = offer.listing_id
    ORDER BY promise.promise_id DESC
    LIMIT 1000
) telling
WHERE offer.listing_id = $1::int
    AND telling.promised_at > $2::timestamptz
    AND telling.promised_at <= offer.published_at

-- name: write_take
INSERT INTO flash_take (listing_id, sale, sale_from, channel_id, order_ref, pieces, verdict, taken_at)
VALUES ($1::int, $2::text, $3::timestamptz, $5::int, $4::text, $6::int, $7::text, $8::timestamptz)
ON CONFLICT ON CONSTRAINT flash_take_key DO UPDATE
SET verdict = excluded.verdict, taken_at = excluded.taken_at
