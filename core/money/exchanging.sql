-- name: keep_rate
INSERT INTO journal_rate (transaction_id, role, base, quote, numerator, denominator, source, valid_at)
VALUES ($1::bigint, $2::text, $3::text, $4::text, $5::bigint, $6::bigint, $7::text, $8::timestamptz)
