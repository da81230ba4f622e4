-- Orders as alerts measure them, and the channels they come from.
-- Each query answers with every subject there is, well or not: what is not answered is gone.

-- name: deliveries
-- Of the newest orders: how many were being delivered in the window, and how many of those failed or are in doubt.
-- Order ids rise with time but for the blocks that daemons hand them out from, so the newest come first.
WITH newest AS MATERIALIZED (
    SELECT channel_order.order_id, channel_order.channel_id
    FROM channel_order
    ORDER BY channel_order.order_id DESC
    LIMIT 20000
),
outcome AS (
    SELECT newest.channel_id, newest.order_id,
        bool_or(order_move.to_state = 'unsure' OR (
            order_move.to_state = 'cancelled' AND order_move.from_state IN ('delivering', 'unsure')
        )) AS failed
    FROM newest
    JOIN order_move ON order_move.order_id = newest.order_id
    WHERE order_move.moved_at > $1::timestamptz - $2::interval
        AND (order_move.from_state IN ('delivering', 'unsure') OR order_move.to_state = 'unsure')
    GROUP BY newest.channel_id, newest.order_id
)
SELECT channel.name AS channel, count(outcome.order_id)::bigint AS attempts,
    count(outcome.order_id) FILTER (WHERE outcome.failed)::bigint AS failures
FROM channel
LEFT JOIN outcome ON outcome.channel_id = channel.channel_id
GROUP BY channel.name
ORDER BY channel.name

-- name: provides
-- What channels asked codes of us for, and how often they got none; a failure that was mended counts as done.
SELECT channel.name AS channel, count(guard_outcome.channel_id)::bigint AS attempts,
    count(guard_outcome.channel_id) FILTER (WHERE NOT guard_outcome.ok)::bigint AS failures
FROM channel
LEFT JOIN guard_outcome ON guard_outcome.channel_id = channel.channel_id
    AND guard_outcome.asked = 'provide'
    AND guard_outcome.at > $1::timestamptz - $2::interval
GROUP BY channel.name
ORDER BY channel.name

-- name: refused
-- Reservations that were refused for want of codes, among the newest orders.
WITH newest AS MATERIALIZED (
    SELECT channel_order.channel_id, channel_order.first_state, channel_order.created_at
    FROM channel_order
    ORDER BY channel_order.order_id DESC
    LIMIT 20000
)
SELECT channel.name AS channel, count(newest.channel_id) FILTER (WHERE newest.first_state = 'refused')::bigint AS refused,
    count(newest.channel_id)::bigint AS asked
FROM channel
LEFT JOIN newest ON newest.channel_id = channel.channel_id AND newest.created_at > $1::timestamptz - $2::interval
GROUP BY channel.name
ORDER BY channel.name

-- name: open_orders
-- Of the orders that have not ended: those overdue for longer than $2, those that wait for a person since longer
-- than $2, and those that were paid for and have no codes.
WITH waiting AS (
    SELECT open_order.channel_id, order_now.order_ref, open_order.due_at, order_now.state,
        order_now.state_since AS since
    FROM open_order
    JOIN order_now ON order_now.order_id = open_order.order_id
),
judged AS (
    SELECT waiting.*,
        waiting.state <> 'held' AND waiting.due_at < $1::timestamptz - $2::interval
            AND waiting.since < $1::timestamptz - $2::interval AS stuck,
        -- One that has a seat waits for its group, not for a person.
        waiting.state = 'held' AND waiting.since < $1::timestamptz - $2::interval
            AND NOT EXISTS (
                SELECT FROM group_seat
                WHERE group_seat.channel_id = waiting.channel_id
                    AND group_seat.order_ref = waiting.order_ref
                    AND group_seat.state IN ('waiting', 'seated')
            ) AS held,
        waiting.state = 'parked' AS without_codes
    FROM waiting
)
SELECT channel.name AS channel,
    count(judged.channel_id) FILTER (WHERE judged.stuck)::bigint AS stuck,
    count(judged.channel_id) FILTER (WHERE judged.held)::bigint AS held,
    count(judged.channel_id) FILTER (WHERE judged.without_codes)::bigint AS without_codes,
    (array_agg(judged.order_ref ORDER BY judged.since) FILTER (WHERE judged.stuck))[1] AS first_stuck,
    (array_agg(judged.order_ref ORDER BY judged.since) FILTER (WHERE judged.held))[1] AS first_held,
    (array_agg(judged.order_ref ORDER BY judged.since) FILTER (WHERE judged.without_codes))[1] AS first_without_codes
FROM channel
LEFT JOIN judged ON judged.channel_id = channel.channel_id
GROUP BY channel.name
ORDER BY channel.name

-- name: refunds_owed
-- Orders that have ended while their channel did not give the money back.
SELECT channel.name AS channel, count(owed.order_ref)::bigint AS owed, min(owed.decided_at) AS first_at,
    (array_agg(owed.order_ref ORDER BY owed.decided_at) FILTER (WHERE owed.order_ref IS NOT NULL))[1] AS first_ref
FROM channel
LEFT JOIN (
    SELECT refund_due.channel_id, refund_due.order_ref, refund_due.decided_at
    FROM refund_due
    JOIN order_now ON order_now.channel_id = refund_due.channel_id
        AND order_now.order_ref = refund_due.order_ref
    WHERE refund_due.settled_at IS NULL AND order_now.state = 'cancelled' AND order_now.move_no > 0
) owed ON owed.channel_id = channel.channel_id
GROUP BY channel.name
ORDER BY channel.name

-- name: channels_down
-- For how long the worst side of a channel has failed, or nobody has driven it; only channels that are to be driven.
SELECT channel.name AS channel, ill.subject, ill.detail,
    greatest(
        coalesce(extract(epoch FROM $1::timestamptz - ill.since), 0),
        coalesce(extract(epoch FROM $1::timestamptz - lease.expires_at), 0),
        0
    )::float8 AS seconds,
    lease.expires_at <= $1::timestamptz AS undriven
FROM channel
LEFT JOIN lease ON lease.channel_id = channel.channel_id
LEFT JOIN LATERAL (
    SELECT channel_health.subject, channel_health.detail, channel_health.changed_at AS since
    FROM channel_health
    WHERE channel_health.channel_id = channel.channel_id AND NOT channel_health.ok
    ORDER BY channel_health.changed_at
    LIMIT 1
) ill ON true
WHERE channel.name = ANY ($2::text[])
ORDER BY channel.name
