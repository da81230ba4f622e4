-- name: beat
INSERT INTO daemon (name, seen_at) VALUES ($1::text, now())
ON CONFLICT ON CONSTRAINT daemon_key DO UPDATE SET seen_at = now()

-- name: forget_dead
DELETE FROM daemon WHERE seen_at < now() - interval '1 hour'

-- name: count_alive
SELECT count(*)::int FROM daemon WHERE seen_at > now() - $1::float8 * interval '1 second'

-- name: renew
-- Only what has not run out: once it has, another daemon may be at work.
UPDATE lease
SET expires_at = now() + $3::float8 * interval '1 second'
WHERE holder = $1::text AND channel_id = ANY ($2::int[]) AND expires_at > now()
RETURNING channel_id

-- name: take
INSERT INTO lease (channel_id, holder, epoch, expires_at)
SELECT wanted.channel_id, $1::text, 1, now() + $3::float8 * interval '1 second'
FROM unnest($2::int[]) wanted(channel_id)
ON CONFLICT ON CONSTRAINT lease_key DO UPDATE
SET holder = excluded.holder, epoch = lease.epoch + 1, expires_at = excluded.expires_at
WHERE lease.expires_at <= now()
RETURNING channel_id

-- name: free_channels
-- Channels nobody drives, and for how long.
SELECT wanted.channel_id,
    coalesce(extract(epoch FROM now() - lease.expires_at), 0)::float8 AS idle_seconds
FROM unnest($1::int[]) wanted(channel_id)
LEFT JOIN lease ON lease.channel_id = wanted.channel_id
WHERE lease.channel_id IS NULL OR lease.expires_at <= now()
ORDER BY wanted.channel_id

-- name: give_up
UPDATE lease SET expires_at = now() WHERE holder = $1::text AND channel_id = ANY ($2::int[])

-- name: resign
DELETE FROM daemon WHERE name = $1::text

-- name: note_health
-- changed_at moves only when good turns bad or bad good.
INSERT INTO channel_health (channel_id, subject, ok, detail, changed_at, seen_at)
VALUES ($1::int, $2::text, $3::boolean, $4::text, $5::timestamptz, $5::timestamptz)
ON CONFLICT ON CONSTRAINT channel_health_key DO UPDATE
SET ok = excluded.ok,
    detail = excluded.detail,
    seen_at = excluded.seen_at,
    changed_at = CASE WHEN channel_health.ok = excluded.ok THEN channel_health.changed_at ELSE excluded.changed_at END
