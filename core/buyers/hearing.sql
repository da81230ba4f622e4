-- name: add_told_tax
INSERT INTO told_tax (channel_id, order_ref, line_ref, tax_minor, told_at)
SELECT $1::int, $2::text, told.line_ref, told.tax_minor, $5::timestamptz
FROM unnest($3::text[], $4::bigint[]) told(line_ref, tax_minor)
ON CONFLICT ON CONSTRAINT told_tax_key DO NOTHING
