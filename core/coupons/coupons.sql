-- name: lock_series
-- One at a time publishes.
SELECT pg_advisory_xact_lock(7721, 0)

-- name: latest_series
SELECT series_id, name, version, terms, key_id, wrapped_key
FROM coupon_series
WHERE name = $1::text
ORDER BY version DESC
LIMIT 1

-- name: next_series_id
SELECT nextval(pg_get_serial_sequence('coupon_series', 'series_id'))::int

-- name: add_series
INSERT INTO coupon_series (series_id, name, version, terms, key_id, wrapped_key, published_at)
VALUES ($1::int, $2::text, $3::int, $4::jsonb, $5::text, $6::bytea, $7::timestamptz)

-- name: add_coupons
-- In the order of their reasons, so that two who issue for the same wait for each other instead of locking up.
INSERT INTO coupon (series_id, issue_id, fingerprint, sealed, mask, buyer_id, source_kind, source_ref, issued_at,
    expires_at)
SELECT $1::int, $2::bigint, given.fingerprint, given.sealed, given.mask, given.buyer_id, given.source_kind,
    given.source_ref, $9::timestamptz, $10::timestamptz
FROM unnest($3::bytea[], $4::bytea[], $5::text[], $6::bigint[], $7::text[], $8::text[])
    given(fingerprint, sealed, mask, buyer_id, source_kind, source_ref)
ORDER BY given.source_kind, given.source_ref
ON CONFLICT ON CONSTRAINT coupon_source_once DO NOTHING

-- name: coupon_of_source
SELECT coupon.coupon_id, coupon.series_id, coupon.fingerprint, coupon.sealed, coupon.mask,
    person_of(coupon.buyer_id) AS buyer_id, coupon.expires_at, coupon_series.name, coupon_series.key_id,
    coupon_series.wrapped_key
FROM coupon
JOIN coupon_series ON coupon_series.series_id = coupon.series_id
WHERE coupon.source_kind = $1::text AND coupon.source_ref = $2::text
