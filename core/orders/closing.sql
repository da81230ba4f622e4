-- name: codes_per_consignor
SELECT order_id, line_no, name, codes FROM codes_per_consignor($1::bigint[])

-- name: close_group
SELECT close_group(
    $1::timestamptz,
    $2::bigint[], $3::smallint[], $4::text[], $5::text[], $6::text[],
    $7::bigint[], $8::smallint[], $9::bigint[], $10::smallint[], $11::int[], $12::int[],
    $13::int[], $14::smallint[], $15::int[], $16::bigint[]
)
