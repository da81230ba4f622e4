-- name: add_rates
-- What is known already, from the same source for the same moment, is not written again.
INSERT INTO rate (base, quote, numerator, denominator, source, valid_at, entered_by, entered_at)
SELECT told.base, told.quote, told.numerator, told.denominator, $6::text, told.valid_at, $7::text, $8::timestamptz
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::timestamptz[])
    told(base, quote, numerator, denominator, valid_at)
WHERE NOT EXISTS (
    SELECT FROM rate
    WHERE rate.base = told.base
        AND rate.quote = told.quote
        AND rate.valid_at = told.valid_at
        AND rate.source = $6::text
        AND rate.numerator::numeric * told.denominator = rate.denominator::numeric * told.numerator
)
RETURNING rate_id

-- name: latest_of_pairs
-- One index probe a pair.
SELECT latest.base, latest.quote, latest.numerator, latest.denominator, latest.source, latest.valid_at AS at
FROM unnest($1::text[], $2::text[]) wanted(base, quote)
CROSS JOIN LATERAL (
    SELECT rate.base, rate.quote, rate.numerator, rate.denominator, rate.source, rate.valid_at
    FROM rate
    WHERE rate.base = wanted.base AND rate.quote = wanted.quote AND rate.valid_at <= $3::timestamptz
    ORDER BY rate.valid_at DESC, rate.rate_id DESC
    LIMIT 1
) latest

-- name: latest_of_pairs_at
-- The same, each pair as of a moment of its own.
SELECT wanted.as_of, latest.base, latest.quote, latest.numerator, latest.denominator, latest.source, latest.valid_at AS at
FROM unnest($1::text[], $2::text[], $3::timestamptz[]) wanted(base, quote, as_of)
CROSS JOIN LATERAL (
    SELECT rate.base, rate.quote, rate.numerator, rate.denominator, rate.source, rate.valid_at
    FROM rate
    WHERE rate.base = wanted.base AND rate.quote = wanted.quote AND rate.valid_at <= wanted.as_of
    ORDER BY rate.valid_at DESC, rate.rate_id DESC
    LIMIT 1
) latest

-- name: latest_of_all
-- For people.
SELECT DISTINCT ON (rate.base, rate.quote) rate.base, rate.quote, rate.numerator, rate.denominator, rate.source,
    rate.valid_at AS at, rate.entered_by
FROM rate
WHERE rate.valid_at <= $1::timestamptz
ORDER BY rate.base, rate.quote, rate.valid_at DESC, rate.rate_id DESC

-- name: newest_entry
SELECT max(rate_id) FROM rate

-- name: note_rate_health
INSERT INTO rate_health (source, ok, detail, changed_at, seen_at)
VALUES ($1::text, $2::boolean, $3::text, $4::timestamptz, $4::timestamptz)
ON CONFLICT ON CONSTRAINT rate_health_key DO UPDATE
SET ok = excluded.ok,
    detail = excluded.detail,
    seen_at = excluded.seen_at,
    changed_at = CASE WHEN rate_health.ok = excluded.ok THEN rate_health.changed_at ELSE excluded.changed_at END

-- name: read_rate_health
SELECT source, ok, detail, changed_at, seen_at FROM rate_health ORDER BY source
