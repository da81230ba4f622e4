-- Where all coupons stand: counted by series, and those that run out soon.

-- name: standing
-- Each coupon counts once.
-- $1: now; $2: what runs out until then is soon.
SELECT latest.name, latest.version, latest.terms, coalesce(counted.issued, 0)::bigint AS issued,
    coalesce(counted.open, 0)::bigint AS open, coalesce(counted.held, 0)::bigint AS held,
    coalesce(counted.used_up, 0)::bigint AS used_up, coalesce(counted.expired, 0)::bigint AS expired,
    coalesce(counted.revoked, 0)::bigint AS revoked, coalesce(counted.soon, 0)::bigint AS soon
FROM (
    SELECT DISTINCT ON (name) name, version, terms
    FROM coupon_series
    ORDER BY name, version DESC
) latest
LEFT JOIN (
    SELECT each.name, count(*) AS issued,
        count(*) FILTER (WHERE each.state = 'open') AS open,
        count(*) FILTER (WHERE each.state = 'held') AS held,
        count(*) FILTER (WHERE each.state = 'used up') AS used_up,
        count(*) FILTER (WHERE each.state = 'expired') AS expired,
        count(*) FILTER (WHERE each.state = 'revoked') AS revoked,
        count(*) FILTER (WHERE each.state = 'open' AND each.expires_at <= $2::timestamptz) AS soon
    FROM (
        SELECT coupon.series AS name, coupon.expires_at, coupon_state(coupon, $1::timestamptz) AS state
        FROM coupon_now coupon
    ) each
    GROUP BY each.name
) counted ON counted.name = latest.name
ORDER BY latest.name

-- name: run_out_days
-- How many coupons that are still good run out on each day (UTC) between two moments.
SELECT (coupon.expires_at AT TIME ZONE 'UTC')::date AS day, count(*)::bigint AS coupons
FROM coupon_now coupon
WHERE coupon.expires_at > $1::timestamptz
    AND coupon.expires_at <= $2::timestamptz
    AND coupon_state(coupon, $1::timestamptz) = 'open'
GROUP BY day
ORDER BY day

-- name: run_out_next
-- Those that run out first, of those that are still good.
SELECT coupon.coupon_id, coupon.series, coupon.mask, buyer.name AS buyer, coupon.source_kind, coupon.source_ref,
    coupon.issued_at, coupon.expires_at, 'open' AS state, coupon.uses, coupon.uses_at_most
FROM coupon_now coupon
LEFT JOIN buyer ON buyer.buyer_id = coupon.buyer_id
WHERE coupon.expires_at > $1::timestamptz
    AND coupon.expires_at <= $2::timestamptz
    AND coupon_state(coupon, $1::timestamptz) = 'open'
ORDER BY coupon.expires_at, coupon.coupon_id
LIMIT $3::int
