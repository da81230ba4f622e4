-- name: sample_sealed
-- Half from what was taken last, where a leak is likeliest, half from anywhere. $1: codes of each half.
WITH latest AS (
    SELECT allocation.lane, allocation.shelf_id, allocation.slot
    FROM allocation
    ORDER BY allocation.order_id DESC
    LIMIT $1::int
),
chosen AS (
    SELECT code.lane, code.shelf_id, coalesce(code.origin_slot, code.slot) AS slot
    FROM latest
    JOIN code ON code.lane = latest.lane AND code.shelf_id = latest.shelf_id AND code.slot = latest.slot
    UNION
    (
        SELECT code.lane, code.shelf_id, code.slot
        FROM code TABLESAMPLE SYSTEM (least(100, $1::int * 100.0 / greatest(1, $2::float8)))
        WHERE code.origin_slot IS NULL
        LIMIT $1::int
    )
)
SELECT code.lane, code.shelf_id, code.slot, code.fingerprint, code.sealed,
    batch.batch_id, batch.key_id, batch.wrapped_key
FROM chosen
JOIN code ON code.lane = chosen.lane AND code.shelf_id = chosen.shelf_id AND code.slot = chosen.slot
JOIN batch ON batch.batch_id = code.batch_id

-- name: guess_codes
-- How many codes there are, near enough to choose a sample by.
SELECT pg_relation_size('code') / 200.0

-- name: text_columns
-- For each of our tables with columns in which a text could stand, a statement that reads the newest of it: the
-- table's last pages. Written by the server, which alone knows the names and quotes them.
SELECT columns.table_name,
    format('SELECT ARRAY[%s]::text[] AS texts FROM %I WHERE ctid >= ''(%s,0)''::tid LIMIT $1::int',
        string_agg(format('%I::text', columns.column_name), ', ' ORDER BY columns.ordinal_position),
        columns.table_name,
        greatest(0, pg_relation_size(quote_ident(columns.table_name)::regclass)
            / current_setting('block_size')::int - $1::int)) AS statement
FROM information_schema.columns
JOIN information_schema.tables ON tables.table_schema = columns.table_schema
    AND tables.table_name = columns.table_name
WHERE columns.table_schema = current_schema()
    AND tables.table_type = 'BASE TABLE'
    AND columns.data_type IN ('text', 'character varying', 'character', 'json', 'jsonb', 'bytea', 'ARRAY')
GROUP BY columns.table_name
ORDER BY columns.table_name
