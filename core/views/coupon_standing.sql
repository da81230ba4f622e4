-- Where all coupons stand: counted by series, and those that run out soon.

-- name: standing
-- Each coupon counts once: open, held, used up, expired or revoked, by the same order of words as single coupons.
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
        SELECT coupon_series.name, coupon.expires_at,
            CASE
                WHEN coupon_revocation.coupon_id IS NOT NULL THEN 'revoked'
                WHEN coalesce(used.spent, 0) >= (coupon_series.terms ->> 'uses')::int THEN 'used up'
                WHEN coupon.expires_at <= $1::timestamptz THEN 'expired'
                WHEN coalesce(used.uses, 0) >= (coupon_series.terms ->> 'uses')::int THEN 'held'
                ELSE 'open'
            END AS state
        FROM coupon
        JOIN coupon_series ON coupon_series.series_id = coupon.series_id
        LEFT JOIN coupon_revocation ON coupon_revocation.coupon_id = coupon.coupon_id
        LEFT JOIN (
            SELECT coupon_use.coupon_id, count(*) AS uses,
                count(*) FILTER (WHERE coupon_use.state <> 'reserved') AS spent
            FROM coupon_use
            WHERE coupon_use.state IN ('reserved', 'confirmed', 'kept')
            GROUP BY coupon_use.coupon_id
        ) used ON used.coupon_id = coupon.coupon_id
    ) each
    GROUP BY each.name
) counted ON counted.name = latest.name
ORDER BY latest.name

-- name: run_out_days
-- How many coupons that are still good run out on each day (UTC) between two moments.
SELECT (coupon.expires_at AT TIME ZONE 'UTC')::date AS day, count(*)::bigint AS coupons
FROM coupon
JOIN coupon_series ON coupon_series.series_id = coupon.series_id
WHERE coupon.expires_at > $1::timestamptz AND coupon.expires_at <= $2::timestamptz
    AND NOT EXISTS (SELECT FROM coupon_revocation WHERE coupon_revocation.coupon_id = coupon.coupon_id)
    AND (
        SELECT count(*)
        FROM coupon_use
        WHERE coupon_use.coupon_id = coupon.coupon_id AND coupon_use.state IN ('reserved', 'confirmed', 'kept')
    ) < (coupon_series.terms ->> 'uses')::int
GROUP BY day
ORDER BY day

-- name: run_out_next
-- Those that run out first, of those that are still good.
SELECT coupon.coupon_id, coupon_series.name AS series, coupon.mask, buyer.name AS buyer, coupon.source_kind,
    coupon.source_ref, coupon.issued_at, coupon.expires_at, 'open' AS state, used.uses::int AS uses,
    (coupon_series.terms ->> 'uses')::int AS uses_at_most
FROM coupon
JOIN coupon_series ON coupon_series.series_id = coupon.series_id
LEFT JOIN buyer ON buyer.buyer_id = coupon.buyer_id
CROSS JOIN LATERAL (
    SELECT count(*) AS uses
    FROM coupon_use
    WHERE coupon_use.coupon_id = coupon.coupon_id AND coupon_use.state IN ('reserved', 'confirmed', 'kept')
) used
WHERE coupon.expires_at > $1::timestamptz AND coupon.expires_at <= $2::timestamptz
    AND NOT EXISTS (SELECT FROM coupon_revocation WHERE coupon_revocation.coupon_id = coupon.coupon_id)
    AND used.uses < (coupon_series.terms ->> 'uses')::int
ORDER BY coupon.expires_at, coupon.coupon_id
LIMIT $3::int
