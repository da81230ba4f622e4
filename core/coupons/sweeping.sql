-- name: uses_to_move
-- Uses whose orders, or whose time, say what they are now. Orders of other programs are given up after a while.
SELECT due.use_id, due.channel, due.basket_ref, due.what
FROM (
    SELECT coupon_use.use_id, channel.name AS channel, coupon_use.basket_ref,
        CASE
            WHEN coupon_use.state = 'reserved' AND found.state = ANY ($3::text[]) THEN 'confirm'
            WHEN coupon_use.state = 'reserved' AND found.state <> 'reserved' THEN 'release'
            WHEN coupon_use.state = 'reserved' AND found.state IS NULL AND coupon_use.hold_until <= $1::timestamptz
                THEN 'release'
            WHEN coupon_use.state = 'confirmed' AND found.state = 'delivered' THEN 'settle'
            WHEN coupon_use.state = 'confirmed' AND found.state IN ('cancelled', 'refunded') THEN 'give back'
        END AS what
    FROM coupon_use
    JOIN channel ON channel.channel_id = coupon_use.channel_id
    LEFT JOIN order_now found ON found.channel_id = coupon_use.channel_id AND found.order_ref = coupon_use.basket_ref
    WHERE (coupon_use.state = 'reserved' OR (coupon_use.state = 'confirmed' AND NOT coupon_use.delivered))
        AND (coupon_use.state = 'reserved' OR coupon_use.reserved_at > $1::timestamptz - interval '45 days')
) due
WHERE due.what IS NOT NULL
ORDER BY due.use_id
LIMIT $2::int

-- name: settle_uses
UPDATE coupon_use
SET delivered = true, order_id = coalesce(coupon_use.order_id, (
    SELECT channel_order.order_id
    FROM channel_order
    WHERE channel_order.channel_id = coupon_use.channel_id AND channel_order.order_ref = coupon_use.basket_ref
))
WHERE use_id = ANY ($1::bigint[]) AND state = 'confirmed'

-- name: try_lock
-- One daemon at a time sweeps.
SELECT pg_try_advisory_xact_lock(7721, 1)

-- name: cursor
SELECT written_in, journal_horizon() AS horizon FROM coupon_cursor FOR UPDATE

-- name: move_cursor
UPDATE coupon_cursor SET written_in = greatest(written_in, $1::bigint)

-- name: refunded_uses
-- Given uses whose orders were refunded whole, by what the journal was told in this stretch.
SELECT DISTINCT coupon_use.use_id, channel.name AS channel, coupon_use.basket_ref
FROM journal_transaction
JOIN channel_order ON channel_order.order_id = journal_transaction.order_id
JOIN coupon_use ON coupon_use.channel_id = channel_order.channel_id
    AND coupon_use.basket_ref = channel_order.order_ref
    AND coupon_use.state = 'confirmed'
JOIN channel ON channel.channel_id = channel_order.channel_id
WHERE journal_transaction.written_in >= $1::bigint
    AND journal_transaction.written_in < $2::bigint
    AND journal_transaction.kind = 'refund'
    AND EXISTS (
        SELECT FROM order_move
        WHERE order_move.order_id = channel_order.order_id AND order_move.to_state = 'refunded'
    )
ORDER BY coupon_use.use_id

-- name: remind
-- Each coupon's nearest day that has come, unless that one was told before, it is used up, or it was issued later
-- than that day: who just got a coupon need not be reminded of it.
INSERT INTO coupon_reminder (coupon_id, days_before, reminded_at)
SELECT coupon.coupon_id, due.days_before, $1::timestamptz
FROM coupon_now coupon
CROSS JOIN LATERAL (
    SELECT min(day.value::int) AS days_before
    FROM jsonb_array_elements_text(coupon.terms -> 'remind_days') day
    WHERE coupon.expires_at - make_interval(days => day.value::int) <= $1::timestamptz
        AND coupon.expires_at - make_interval(days => day.value::int) > coupon.issued_at
) due
WHERE coupon.buyer_id IS NOT NULL
    AND coupon.expires_at > $1::timestamptz
    AND coupon.expires_at <= $1::timestamptz + make_interval(days => (
        SELECT coalesce(max(day.value::int), 0)
        FROM coupon_series every
        CROSS JOIN jsonb_array_elements_text(every.terms -> 'remind_days') day
    ))
    AND due.days_before IS NOT NULL
    AND NOT EXISTS (
        SELECT FROM coupon_reminder
        WHERE coupon_reminder.coupon_id = coupon.coupon_id AND coupon_reminder.days_before <= due.days_before
    )
    AND coupon_state(coupon, $1::timestamptz) = 'open'
ORDER BY coupon.coupon_id
RETURNING coupon_id
