-- name: lock_keys
-- One at a time opens a vault or starts a rotation.
SELECT pg_advisory_xact_lock(7707, 0)

-- name: recorded_keys
SELECT key_id, check_value FROM sealing_key

-- name: record_keys
INSERT INTO sealing_key (key_id, check_value)
SELECT given.key_id, given.check_value
FROM unnest($1::text[], $2::bytea[]) given(key_id, check_value)
ORDER BY given.key_id
ON CONFLICT ON CONSTRAINT sealing_key_key DO NOTHING

-- name: keys_in_use
-- What each key still wraps: so many batches and series of coupons, and whether the fingerprint key.
SELECT sealing_key.key_id, coalesce(wrapped.batches, 0) AS batches,
    (SELECT count(*) FROM coupon_series WHERE coupon_series.key_id = sealing_key.key_id) AS series,
    (SELECT count(*) FROM campaign_seed WHERE campaign_seed.key_id = sealing_key.key_id) AS seeds,
    EXISTS (SELECT FROM vault_secret WHERE vault_secret.key_id = sealing_key.key_id) AS fingerprint
FROM sealing_key
LEFT JOIN (
    SELECT batch.key_id, count(*) AS batches FROM batch GROUP BY batch.key_id
) wrapped ON wrapped.key_id = sealing_key.key_id
ORDER BY sealing_key.created_at, sealing_key.key_id

-- name: load_fingerprint_key
SELECT key_id, wrapped FROM vault_secret WHERE name = 'fingerprint'

-- name: store_fingerprint_key
INSERT INTO vault_secret (name, key_id, wrapped)
VALUES ('fingerprint', $1::text, $2::bytea)
ON CONFLICT ON CONSTRAINT vault_secret_key DO UPDATE SET key_id = excluded.key_id, wrapped = excluded.wrapped

-- name: batches_under_other_keys
-- The next batches that a rotation has to wrap anew; a second rotation waits for them and then skips them.
SELECT batch_id, key_id, wrapped_key
FROM batch
WHERE batch.key_id <> $1::text AND batch.batch_id > $2::bigint
ORDER BY batch.batch_id
LIMIT $3::int
FOR NO KEY UPDATE

-- name: count_batches
SELECT count(*) FILTER (WHERE key_id <> $1::text) AS to_do, count(*) FILTER (WHERE key_id = $1::text) AS already
FROM batch

-- name: series_under_other_keys
-- The series of coupons that a rotation has to wrap anew, of which there are few.
SELECT series_id, key_id, wrapped_key
FROM coupon_series
WHERE coupon_series.key_id <> $1::text
ORDER BY series_id
FOR NO KEY UPDATE

-- name: rewrap_series
UPDATE coupon_series SET key_id = $1::text, wrapped_key = $3::bytea WHERE series_id = $2::int

-- name: seeds_under_other_keys
-- The seeds of campaigns that draw, of which there are few.
SELECT version_id, key_id, wrapped
FROM campaign_seed
WHERE campaign_seed.key_id <> $1::text
ORDER BY version_id
FOR NO KEY UPDATE

-- name: rewrap_seed
UPDATE campaign_seed SET key_id = $1::text, wrapped = $3::bytea WHERE version_id = $2::int

-- name: rewrap_batches
UPDATE batch SET key_id = $1::text, wrapped_key = anew.wrapped_key
FROM unnest($2::bigint[], $3::bytea[]) anew(batch_id, wrapped_key)
WHERE batch.batch_id = anew.batch_id
