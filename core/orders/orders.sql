-- name: load_orders
SELECT order_now.order_id, order_now.lane, order_now.channel_id, order_now.order_ref, order_now.currency,
    order_now.placed_at, order_now.hold_until, order_now.created_at, order_now.state, order_now.move_no,
    order_now.state_since, coalesce(open_order.failures, 0) AS failures
FROM unnest($1::bigint[]) asked(order_id)
JOIN order_now ON order_now.order_id = asked.order_id
LEFT JOIN open_order ON open_order.order_id = order_now.order_id
ORDER BY order_now.order_id

-- name: load_lines
SELECT order_line.order_id, order_line.line_no, order_line.lane, order_line.line_ref, order_line.listing_id,
    order_line.sku_id, order_line.quantity, order_line.unit_price_minor, order_line.valid_until,
    listing.listing_ref
FROM unnest($1::bigint[]) asked(order_id)
JOIN order_line ON order_line.order_id = asked.order_id
JOIN listing ON listing.listing_id = order_line.listing_id
ORDER BY order_line.order_id, order_line.line_no

-- name: find_order
SELECT order_id FROM channel_order WHERE channel_id = $1::int AND order_ref = $2::text

-- name: add_tombstone
-- An order that was cancelled before we ever heard of it: what arrives late about it must find it ended.
INSERT INTO channel_order (order_id, lane, channel_id, order_ref, first_state, request_hash, currency, buyer_ref,
    placed_at, created_at)
VALUES ($1::bigint, $2::smallint, $3::int, $4::text, 'cancelled', $5::bytea, $6::text, $7::text,
    $8::timestamptz, $9::timestamptz)
ON CONFLICT ON CONSTRAINT order_ref_once DO NOTHING

-- name: move_orders
INSERT INTO order_move (order_id, move_no, from_state, to_state, moved_at, actor, reason)
SELECT moves.order_id, moves.move_no, moves.from_state, moves.to_state, $5::timestamptz, $6::text, $7::text
FROM unnest($1::bigint[], $2::smallint[], $3::text[], $4::text[]) moves(order_id, move_no, from_state, to_state)

-- name: close_orders
DELETE FROM open_order WHERE order_id = ANY ($1::bigint[])

-- name: open_orders
INSERT INTO open_order (order_id, channel_id, due_at)
SELECT opened.order_id, opened.channel_id, opened.due_at
FROM unnest($1::bigint[], $2::int[], $3::timestamptz[]) opened(order_id, channel_id, due_at)
ON CONFLICT ON CONSTRAINT open_order_key DO UPDATE SET due_at = excluded.due_at, failures = 0

-- name: set_due
UPDATE open_order SET due_at = $2::timestamptz, failures = failures + $3::int WHERE order_id = $1::bigint

-- name: due_orders
-- The channel's work, oldest first. The table holds open orders only, so it stays small.
SELECT open_order.order_id
FROM open_order
WHERE open_order.channel_id = $1::int AND open_order.due_at <= $2::timestamptz
ORDER BY open_order.due_at, open_order.order_id
LIMIT $3::int

-- name: note_taken_back
-- Said while the delivery was under way; said again it changes nothing.
INSERT INTO taken_back (order_id, told_at, actor, reason)
VALUES ($1::bigint, $2::timestamptz, $3::text, $4::text)
ON CONFLICT ON CONSTRAINT taken_back_key DO NOTHING

-- name: why_taken_back
SELECT actor, reason FROM taken_back WHERE order_id = $1::bigint

-- name: taken_back_undone
-- Orders of a channel that were taken back and are delivered all the same: their money is still to be reversed.
SELECT taken_back.order_id
FROM taken_back
JOIN order_now ON order_now.order_id = taken_back.order_id
WHERE order_now.channel_id = $1::int AND order_now.state = 'delivered'

-- name: adopt_orders
UPDATE open_order SET due_at = $2::timestamptz
WHERE channel_id = $1::int AND due_at BETWEEN $2::timestamptz AND $3::timestamptz
