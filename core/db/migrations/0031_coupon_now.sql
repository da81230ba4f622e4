-- What a coupon is now, said once for the house.

-- What has been made of a coupon's uses: `uses` counts those that take one up, `held` those of them that are only held
-- against a basket. It holds the coupon's own columns and its series' name and terms.
CREATE VIEW coupon_now AS
SELECT coupon.coupon_id, coupon_series.name AS series, coupon_series.terms, coupon.mask, coupon.buyer_id,
    coupon.source_kind, coupon.source_ref, coupon.issued_at, coupon.expires_at,
    coupon_revocation.coupon_id IS NOT NULL AS revoked, taken.uses, taken.held,
    (coupon_series.terms ->> 'uses')::int AS uses_at_most
FROM coupon
JOIN coupon_series ON coupon_series.series_id = coupon.series_id
LEFT JOIN coupon_revocation ON coupon_revocation.coupon_id = coupon.coupon_id
CROSS JOIN LATERAL (
    SELECT count(*)::int AS uses, (count(*) FILTER (WHERE coupon_use.state = 'reserved'))::int AS held
    FROM coupon_use
    WHERE coupon_use.coupon_id = coupon.coupon_id AND coupon_use.state IN ('reserved', 'confirmed', 'kept')
) taken;

-- One word for it. Open: it may still be used. The planner takes it in place of its call: nothing in the view is a
-- subquery of its own.
CREATE FUNCTION coupon_state(p_coupon coupon_now, p_now timestamptz) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN p_coupon.revoked THEN 'revoked'
        WHEN p_coupon.uses - p_coupon.held >= p_coupon.uses_at_most THEN 'used up'
        WHEN p_coupon.expires_at <= p_now THEN 'expired'
        WHEN p_coupon.uses >= p_coupon.uses_at_most THEN 'held'
        ELSE 'open'
    END
$$;
