-- Orders as people look at them. Lists go by id, newest first: ids are handed out in blocks, so the orders of
-- two daemons may stand a block apart. A list looks at a bounded number of orders and says where to go on.

-- name: newest_ids
SELECT channel_order.order_id
FROM channel_order
WHERE channel_order.order_id < $1::bigint
ORDER BY channel_order.order_id DESC
LIMIT $2::int

-- name: open_ids
SELECT open_order.order_id
FROM open_order
WHERE open_order.order_id < $1::bigint
ORDER BY open_order.order_id DESC
LIMIT $2::int

-- name: ids_of_ref
SELECT channel_order.order_id
FROM channel
JOIN channel_order ON channel_order.channel_id = channel.channel_id AND channel_order.order_ref = $3::text
WHERE channel_order.order_id < $1::bigint
ORDER BY channel_order.order_id DESC
LIMIT $2::int

-- name: summaries
-- Those of some orders that a page asks for.
SELECT order_now.order_id, channel.name AS channel, order_now.order_ref, order_now.currency, order_now.placed_at,
    order_now.created_at, order_now.state, order_now.state_since, lines.pieces, lines.gross_minor, lines.skus
FROM unnest($1::bigint[]) asked(order_id)
JOIN order_now ON order_now.order_id = asked.order_id
JOIN channel ON channel.channel_id = order_now.channel_id
CROSS JOIN LATERAL (
    SELECT coalesce(sum(order_line.quantity), 0)::bigint AS pieces,
        coalesce(sum(order_line.quantity * order_line.unit_price_minor), 0)::bigint AS gross_minor,
        coalesce(array_agg(DISTINCT sku.sku_ref), '{}') AS skus
    FROM order_line
    JOIN sku ON sku.sku_id = order_line.sku_id
    WHERE order_line.order_id = order_now.order_id
) lines
WHERE ($2::text IS NULL OR order_now.state = $2::text)
    AND ($3::text IS NULL OR channel.name = $3::text)
    AND ($4::text IS NULL OR $4::text = ANY (lines.skus))
ORDER BY order_now.order_id DESC
LIMIT $5::int

-- name: head
SELECT channel_order.first_state, channel_order.first_reason, channel_order.buyer_ref, channel_order.hold_until, open_order.due_at,
    coalesce(open_order.failures, 0) AS failures
FROM channel_order
LEFT JOIN open_order ON open_order.order_id = channel_order.order_id
WHERE channel_order.order_id = $1::bigint

-- name: moves
SELECT move_no, from_state, to_state, moved_at, actor, reason
FROM order_move
WHERE order_id = $1::bigint
ORDER BY move_no

-- name: lines
SELECT order_line.line_no, order_line.line_ref, listing.listing_ref, sku.sku_ref, sku.title, order_line.quantity,
    order_line.unit_price_minor, order_line.valid_until
FROM order_line
JOIN listing ON listing.listing_id = order_line.listing_id
JOIN sku ON sku.sku_id = order_line.sku_id
WHERE order_line.order_id = $1::bigint
ORDER BY order_line.line_no

-- name: places
-- Every code an order ever had: where it stands, whose it is, whether it left and why, and what took its place.
SELECT allocation.line_no, allocation.lane, allocation.shelf_id, allocation.slot, consignor.name AS consignor,
    departure.kind AS departed, departure.departed_at, departure.reason AS departed_reason,
    CASE WHEN stand_in.slot IS NULL THEN NULL
        ELSE stand_in.bad_lane || '.' || stand_in.bad_shelf_id || '.' || stand_in.bad_slot
    END AS instead_of,
    CASE WHEN follower.slot IS NULL THEN NULL
        ELSE follower.lane || '.' || follower.shelf_id || '.' || follower.slot
    END AS replaced_by
FROM allocation
JOIN shelf ON shelf.lane = allocation.lane AND shelf.shelf_id = allocation.shelf_id
JOIN consignor ON consignor.consignor_id = shelf.consignor_id
LEFT JOIN departure ON departure.lane = allocation.lane AND departure.shelf_id = allocation.shelf_id
    AND departure.slot = allocation.slot
LEFT JOIN replacement stand_in ON stand_in.lane = allocation.lane AND stand_in.shelf_id = allocation.shelf_id
    AND stand_in.slot = allocation.slot
LEFT JOIN replacement follower ON follower.bad_lane = allocation.lane
    AND follower.bad_shelf_id = allocation.shelf_id AND follower.bad_slot = allocation.slot
WHERE allocation.order_id = $1::bigint
ORDER BY allocation.line_no, allocation.shelf_id, allocation.slot

-- name: recent_moves
-- What happened to the newest orders and the open ones, latest first; an order's arrival is its first move.
WITH watched AS MATERIALIZED (
    (SELECT channel_order.order_id FROM channel_order ORDER BY channel_order.order_id DESC LIMIT $1::int)
    UNION
    (SELECT open_order.order_id FROM open_order ORDER BY open_order.due_at DESC LIMIT $1::int)
)
SELECT channel_order.order_id, channel.name AS channel, channel_order.order_ref, happened.from_state,
    happened.to_state, happened.moved_at, happened.actor, happened.reason
FROM watched
JOIN channel_order ON channel_order.order_id = watched.order_id
JOIN channel ON channel.channel_id = channel_order.channel_id
CROSS JOIN LATERAL (
    SELECT NULL AS from_state, channel_order.first_state AS to_state, channel_order.created_at AS moved_at,
        'intake' AS actor, channel_order.first_reason AS reason, 0 AS move_no
    UNION ALL
    SELECT order_move.from_state, order_move.to_state, order_move.moved_at, order_move.actor, order_move.reason,
        order_move.move_no
    FROM order_move
    WHERE order_move.order_id = watched.order_id
) happened
ORDER BY happened.moved_at DESC, channel_order.order_id DESC, happened.move_no DESC
LIMIT $2::int

-- name: open_by_state
SELECT order_now.state, count(*)::bigint AS orders
FROM open_order
JOIN order_now ON order_now.order_id = open_order.order_id
GROUP BY 1
ORDER BY 1

-- name: per_minute
-- Orders taken in by minute, counted over the newest only, so that it costs the same on any day.
SELECT date_trunc('minute', newest.created_at) AS minute, count(*)::bigint AS orders
FROM (
    SELECT channel_order.created_at
    FROM channel_order
    ORDER BY channel_order.order_id DESC
    LIMIT $3::int
) newest
WHERE newest.created_at > $1::timestamptz AND newest.created_at <= $2::timestamptz
GROUP BY 1
ORDER BY 1
