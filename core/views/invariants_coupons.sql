-- What coupons never show in a healthy database; same shape as invariants.sql.

-- name: coupons_overused
-- No coupon is used more often than its terms say, whatever held it.
SELECT count(*) OVER () AS total, format('coupon %s has %s uses of %s', used.coupon_id, used.uses, used.most) AS what
FROM (
    SELECT coupon.coupon_id, count(*) AS uses, (coupon_series.terms ->> 'uses')::int AS most
    FROM coupon_use
    JOIN coupon ON coupon.coupon_id = coupon_use.coupon_id
    JOIN coupon_series ON coupon_series.series_id = coupon.series_id
    WHERE coupon_use.state IN ('reserved', 'confirmed', 'kept')
    GROUP BY coupon.coupon_id, coupon_series.terms
) used
WHERE used.uses > used.most
LIMIT 20

-- name: coupons_apart
-- What a series has taken off is what its uses hold and gave; and what a use stands at is the sum of its moves.
WITH stands AS (
    SELECT coupon_use.use_id, coupon_series.name, coupon_use.currency,
        CASE WHEN coupon_use.state = 'released' THEN 0
            ELSE coupon_use.discount_minor - coupon_use.returned_minor END AS minor
    FROM coupon_use
    JOIN coupon ON coupon.coupon_id = coupon_use.coupon_id
    JOIN coupon_series ON coupon_series.series_id = coupon.series_id
),
summed AS (
    SELECT stands.name, stands.currency, sum(stands.minor) AS minor
    FROM stands
    GROUP BY stands.name, stands.currency
),
borne AS (
    SELECT coupon_step.use_id, sum(entry.amount_minor) AS minor
    FROM coupon_step
    JOIN entry ON entry.transaction_id = coupon_step.transaction_id
    JOIN account ON account.account_id = entry.account_id AND account.party = 'party'
    GROUP BY coupon_step.use_id
),
wrong AS (
    SELECT format('series %s took off %s, and its uses say %s', coalesce(summed.name, coupon_spend.series_name),
        coalesce(coupon_spend.taken_minor, 0), coalesce(summed.minor, 0)) AS what
    FROM summed
    FULL JOIN coupon_spend ON coupon_spend.series_name = summed.name AND coupon_spend.currency = summed.currency
    WHERE coalesce(coupon_spend.taken_minor, 0) <> coalesce(summed.minor, 0)
    UNION ALL
    SELECT format('use %s of a coupon stands at %s, and its party owes %s', stands.use_id, stands.minor, borne.minor)
    FROM borne
    JOIN stands ON stands.use_id = borne.use_id
    WHERE borne.minor <> stands.minor
)
SELECT count(*) OVER () AS total, wrong.what
FROM wrong
LIMIT 20
