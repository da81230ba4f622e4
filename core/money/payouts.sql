-- name: keep_lines
-- Kept as they were told; a line that comes again is the same line.
INSERT INTO payout_line (channel_id, line_ref, kind, order_ref, listing_ref, amount_minor, currency, booked_at,
    seen_at)
SELECT $1::int, told.line_ref, told.kind, told.order_ref, told.listing_ref, told.amount_minor, told.currency,
    told.booked_at, $9::timestamptz
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::timestamptz[])
    told(line_ref, kind, order_ref, listing_ref, amount_minor, currency, booked_at)
ON CONFLICT ON CONSTRAINT payout_line_key DO NOTHING
