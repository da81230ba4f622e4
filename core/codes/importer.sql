-- name: next_batch_id
SELECT nextval(pg_get_serial_sequence('batch', 'batch_id'))

-- name: commit_early
-- For this connection until it is given back: chunks do not wait for the disk, and lanes are free the sooner. A
-- crash may take the last chunks, never one that anybody sold from: a sale waits, and all before it with it.
SELECT set_config('synchronous_commit', 'off', false)

-- name: commit_as_usual
RESET synchronous_commit

-- name: known_codes
SELECT n, batch_id FROM known_codes($1::bytea[])

-- name: add_batch
INSERT INTO batch (batch_id, sku_id, consignor_id, unit_cost_minor, currency, source_name, key_id, wrapped_key,
    created_at, created_by)
VALUES ($1::bigint, $2::int, $3::int, $4::bigint, $5::text, $6::text, $7::text, $8::bytea, $9::timestamptz,
    $10::text)

-- name: add_audit
INSERT INTO audit (at, actor, action, subject, reason)
VALUES ($1::timestamptz, $2::text, $3::text, $4::text, $5::text)

-- name: add_shelves
INSERT INTO shelf (lane, sku_id, consignor_id, unit_cost_minor, currency, priority, expires_at)
SELECT $1::smallint, $2::int, $3::int, $4::bigint, $5::text, $6::int, wanted.expires_at
FROM unnest($7::timestamptz[]) wanted(expires_at)
ORDER BY wanted.expires_at
ON CONFLICT ON CONSTRAINT shelf_once DO NOTHING

-- name: find_shelves
-- By their number in the list: 'infinity' comes back from the driver as another value than it went out.
SELECT wanted.n::int AS n, shelf.shelf_id
FROM unnest($6::timestamptz[]) WITH ORDINALITY wanted(expires_at, n)
JOIN shelf ON shelf.lane = $1::smallint
    AND shelf.sku_id = $2::int
    AND shelf.consignor_id = $3::int
    AND shelf.expires_at = wanted.expires_at
    AND shelf.unit_cost_minor IS NOT DISTINCT FROM $4::bigint
    AND shelf.currency IS NOT DISTINCT FROM $5::text

-- name: place_codes
SELECT place_codes($1::smallint, $2::int, $3::bigint, $4::int[], $5::int[], $6::int[], $7::bytea[], $8::bytea[])
