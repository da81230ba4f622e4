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
