-- name: find_mapping
SELECT mapping_id, name, version, mapping::text AS mapping, saved_by, saved_at
FROM statement_mapping
WHERE name = $1::text
ORDER BY version DESC
LIMIT 1

-- name: lock_mappings
SELECT pg_advisory_xact_lock(7710, 0)

-- name: add_mapping
INSERT INTO statement_mapping (name, version, mapping, saved_by, saved_at)
VALUES ($1::text, $2::int, $3::text::jsonb, $4::text, $5::timestamptz)

-- name: mappings
SELECT DISTINCT ON (name) mapping_id, name, version, mapping::text AS mapping, saved_by, saved_at
FROM statement_mapping
ORDER BY name, version DESC

-- name: open_statement
INSERT INTO statement (channel_id, source, name, digest, mapping_id, opened_by, opened_at)
VALUES ($1::int, 'imported', $2::text, $3::text, $4::int, $5::text, $6::timestamptz)
ON CONFLICT ON CONSTRAINT statement_once DO NOTHING

-- name: find_statement
SELECT statement_id
FROM statement
WHERE channel_id = $1::int AND source = 'imported' AND name = $2::text AND digest = $3::text

-- name: find_channel
SELECT channel_id FROM channel WHERE name = $1::text

-- name: known_lines
SELECT count(*) FROM payout_line WHERE channel_id = $1::int AND line_ref = ANY ($2::text[])
