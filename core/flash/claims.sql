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
LEFT JOIN channel_order ON channel_order.channel_id = flash_claim.channel_id
    AND channel_order.order_ref = flash_claim.order_ref
LEFT JOIN LATERAL (
    SELECT order_move.to_state
    FROM order_move
    WHERE order_move.order_id = channel_order.order_id
    ORDER BY order_move.move_no DESC
    LIMIT 1
) last ON true
WHERE flash_claim.sale = $1::text
    AND flash_claim.sale_from = $2::timestamptz
    AND flash_claim.buyer_id = ANY ($3::bigint[])
    AND NOT flash_claim.is_over
    AND CASE
        WHEN channel_order.order_id IS NULL THEN flash_claim.claimed_at > $4::timestamptz - interval '1 hour'
        ELSE coalesce(last.to_state, channel_order.first_state) NOT IN ('cancelled', 'refunded', 'released', 'refused')
    END

-- name: add_claim
INSERT INTO flash_claim (channel_id, order_ref, sale, sale_from, buyer_id, pieces, is_over, claimed_at)
VALUES ($1::int, $2::text, $3::text, $4::timestamptz, $5::bigint, $6::int, $7::boolean, $8::timestamptz)
