-- name: open_months
-- The statements that pulled lines belong to: a month each.
INSERT INTO statement (channel_id, source, name, opened_by, opened_at)
SELECT DISTINCT $1::int, 'pulled', to_char(told.booked_at AT TIME ZONE 'UTC', 'YYYY-MM'), 'daemon', $3::timestamptz
FROM unnest($2::timestamptz[]) told(booked_at)
ON CONFLICT ON CONSTRAINT statement_once DO NOTHING

-- name: keep_lines
-- Kept as they were told; a line that comes again is the same line. With no statement named, it is the month's.
WITH kept AS (
    INSERT INTO payout_line (channel_id, line_ref, kind, order_ref, listing_ref, amount_minor, currency, booked_at,
        seen_at, statement_id)
    SELECT $1::int, told.line_ref, told.kind, told.order_ref, told.listing_ref, told.amount_minor, told.currency,
        told.booked_at, $9::timestamptz, coalesce($10::int, month.statement_id)
    FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::timestamptz[])
        told(line_ref, kind, order_ref, listing_ref, amount_minor, currency, booked_at)
    LEFT JOIN statement month ON month.channel_id = $1::int
        AND month.source = 'pulled'
        AND month.name = to_char(told.booked_at AT TIME ZONE 'UTC', 'YYYY-MM')
    ON CONFLICT ON CONSTRAINT payout_line_key DO NOTHING
    RETURNING channel_id, line_ref, booked_at
)
INSERT INTO line_waiting (channel_id, line_ref, booked_at)
SELECT channel_id, line_ref, booked_at FROM kept

-- name: restated
-- Lines that were kept before and are now told with another amount or currency.
SELECT kept.line_ref, kept.amount_minor, kept.currency, told.amount_minor AS told_minor,
    told.currency AS told_currency
FROM unnest($2::text[], $3::bigint[], $4::text[]) told(line_ref, amount_minor, currency)
JOIN payout_line kept ON kept.channel_id = $1::int AND kept.line_ref = told.line_ref
WHERE kept.amount_minor <> told.amount_minor OR kept.currency <> told.currency
