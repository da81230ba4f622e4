-- name: add_late
-- Twice as long between tries each time, at most six hours.
INSERT INTO campaign_late (order_id, work, error, failed_at, tried_at, next_at)
VALUES ($1::bigint, $2::text, $3::text, $4::timestamptz, $4::timestamptz, $4::timestamptz + INTERVAL '1 minute')
ON CONFLICT ON CONSTRAINT campaign_late_key DO UPDATE
SET error = excluded.error,
    tries = campaign_late.tries + 1,
    tried_at = excluded.tried_at,
    next_at = excluded.tried_at + least(INTERVAL '6 hours', INTERVAL '1 minute' * 2 ^ least(campaign_late.tries, 9))
RETURNING tries

-- name: due_late
SELECT order_id, work
FROM campaign_late
WHERE next_at <= $1::timestamptz
ORDER BY next_at, order_id, work
LIMIT $2::int

-- name: drop_late
DELETE FROM campaign_late WHERE order_id = $1::bigint AND work = $2::text
