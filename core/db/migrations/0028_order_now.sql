-- What an order is now, said once for the house: its last move, or what it was at intake if it never moved.

-- The last move is looked up by its key, one probe an order, however the view is asked. It holds the order's own
-- columns, so whoever asks for a state joins no table more.
CREATE VIEW order_now AS
SELECT channel_order.order_id, channel_order.lane, channel_order.channel_id, channel_order.order_ref,
    channel_order.first_state, channel_order.first_reason, channel_order.request_hash, channel_order.currency,
    channel_order.buyer_ref, channel_order.placed_at, channel_order.hold_until, channel_order.created_at,
    coalesce(last.to_state, channel_order.first_state) AS state,
    coalesce(last.moved_at, channel_order.created_at) AS state_since,
    -- 0: it never moved.
    coalesce(last.move_no, 0) AS move_no
FROM channel_order
LEFT JOIN LATERAL (
    SELECT order_move.to_state, order_move.moved_at, order_move.move_no
    FROM order_move
    WHERE order_move.order_id = channel_order.order_id
    ORDER BY order_move.move_no DESC
    LIMIT 1
) last ON true;
