-- name: add_refund
-- Decided again it changes nothing: the first reason stays.
INSERT INTO refund_due (channel_id, order_ref, decided_at, actor, told, why)
VALUES ($1::int, $2::text, $3::timestamptz, $4::text, $5::text, $6::text)
ON CONFLICT ON CONSTRAINT refund_due_key DO NOTHING

-- name: hold_open_orders
-- Whoever ends one of them, or lets it through, waits for us from here on, in the order of their ids.
SELECT order_id FROM open_order WHERE order_id = ANY ($1::bigint[]) ORDER BY order_id FOR UPDATE

-- name: find_refund
SELECT actor, told, why
FROM refund_due
WHERE channel_id = $1::int AND order_ref = $2::text AND settled_at IS NULL

-- name: settle_refund
UPDATE refund_due SET settled_at = $3::timestamptz, settled_by = $4::text, how = $5::text
WHERE channel_id = $1::int AND order_ref = $2::text AND settled_at IS NULL

-- name: owed_refunds
-- Money that nobody has given back though its order has ended without a delivery: a person has to.
SELECT order_now.order_id, channel.name AS channel, refund_due.order_ref, refund_due.decided_at, refund_due.why,
    order_now.currency,
    (
        SELECT sum(order_line.quantity * order_line.unit_price_minor)::bigint
        FROM order_line
        WHERE order_line.order_id = order_now.order_id
    ) AS amount_minor
FROM refund_due
JOIN channel ON channel.channel_id = refund_due.channel_id
JOIN order_now ON order_now.channel_id = refund_due.channel_id
    AND order_now.order_ref = refund_due.order_ref
WHERE refund_due.settled_at IS NULL
    AND order_now.state = 'cancelled'
    -- One that its channel had cancelled before we heard of it was never paid to us.
    AND order_now.move_no > 0
ORDER BY refund_due.decided_at, order_now.order_id
LIMIT $1::int
