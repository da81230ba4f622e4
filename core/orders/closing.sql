-- name: codes_per_consignor
SELECT order_id, line_no, name, codes FROM codes_per_consignor($1::bigint[])

-- name: close_group
-- Integers come as text: see core/db/arrays.py.
SELECT close_group(
    $1::timestamptz,
    $2::text[], $3::text[], $4::text[],
    $5::text::bigint[], $6::text::smallint[], $7::text::int[],
    $8::text::bigint[], $9::text::smallint[], $10::text::bigint[], $11::text::smallint[], $12::text::int[],
    $13::text::int[],
    $14::text::int[], $15::text::smallint[], $16::text::int[], $17::text::bigint[]
)
