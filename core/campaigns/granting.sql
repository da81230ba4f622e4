-- name: take_turn
-- Whoever holds the row grants; who finds it locked leaves it to the other.
SELECT written_in, transaction_id FROM campaign_cursor WHERE cursor_no = 0 FOR UPDATE SKIP LOCKED

-- name: hold_to_lookups
-- What was never analyzed looks small to the planner; a batch looks up a few rows of large tables.
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
    set_config('enable_mergejoin', 'off', true), set_config('enable_bitmapscan', 'off', true)

-- name: horizon
SELECT journal_horizon()

-- name: last_version
SELECT coalesce(max(version_id), 0) FROM campaign_version

-- name: events
-- Sales and refunds in the order in which the journal was written, up to where nothing more can come.
SELECT posted.written_in, posted.transaction_id, posted.kind, posted.order_id, posted.posted_at, channel_order.placed_at
FROM journal_transaction posted
JOIN channel_order ON channel_order.order_id = posted.order_id
WHERE posted.written_in >= $1::bigint
    AND posted.written_in < $3::bigint
    AND (posted.written_in, posted.transaction_id) > ($1::bigint, $2::bigint)
    AND posted.kind IN ('sale', 'refund')
ORDER BY posted.written_in, posted.transaction_id
LIMIT $4::int

-- name: move_cursor
UPDATE campaign_cursor
SET written_in = $2::bigint, transaction_id = $3::bigint, moved_at = $4::timestamptz
WHERE cursor_no = $1::int

-- name: earlier_cursor
SELECT cursor_no, written_in, transaction_id, until_written_in
FROM campaign_cursor
WHERE cursor_no > 0
ORDER BY cursor_no
LIMIT 1

-- name: drop_cursor
DELETE FROM campaign_cursor WHERE cursor_no = $1::int

-- name: decided
SELECT order_id, name, reward FROM campaign_grant WHERE order_id = ANY ($1::bigint[])
UNION ALL
SELECT order_id, name, reward FROM campaign_refusal WHERE order_id = ANY ($1::bigint[])

-- name: buyers_of_grants
SELECT DISTINCT buyer_id FROM campaign_grant WHERE order_id = ANY ($1::bigint[])

-- name: refunded_orders
SELECT DISTINCT order_id FROM journal_transaction WHERE order_id = ANY ($1::bigint[]) AND kind = 'refund'
