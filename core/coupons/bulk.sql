-- name: begin_issue
INSERT INTO coupon_issue (series_name, wanted, segment, actor, reason, begun_at)
VALUES ($1::text, $2::int, $3::text, $4::text, $5::text, $6::timestamptz)
RETURNING issue_id

-- name: find_issue
SELECT issue_id, series_name, wanted, segment, actor, reason, begun_at, exported_at, exported_by,
    (SELECT count(*) FROM coupon WHERE coupon.issue_id = coupon_issue.issue_id)::int AS issued
FROM coupon_issue
WHERE issue_id = $1::bigint

-- name: lock_issue
-- One at a time goes on with an issue, or exports it.
SELECT exported_at, exported_by FROM coupon_issue WHERE issue_id = $1::bigint FOR NO KEY UPDATE

-- name: mark_exported
UPDATE coupon_issue SET exported_at = $2::timestamptz, exported_by = $3::text WHERE issue_id = $1::bigint

-- name: sealed_coupons
-- The next coupons of an issue, in their order.
SELECT coupon.coupon_id, coupon.series_id, coupon.fingerprint, coupon.sealed, coupon.expires_at, buyer.name AS buyer,
    coupon_series.key_id, coupon_series.wrapped_key
FROM coupon
JOIN coupon_series ON coupon_series.series_id = coupon.series_id
LEFT JOIN buyer ON buyer.buyer_id = coupon.buyer_id
WHERE coupon.issue_id = $1::bigint AND coupon.coupon_id > $2::bigint
ORDER BY coupon.coupon_id
LIMIT $3::int

-- name: sealed_coupon
SELECT coupon.coupon_id, coupon.series_id, coupon.fingerprint, coupon.sealed, coupon_series.key_id,
    coupon_series.wrapped_key
FROM coupon
JOIN coupon_series ON coupon_series.series_id = coupon.series_id
WHERE coupon.coupon_id = $1::bigint
