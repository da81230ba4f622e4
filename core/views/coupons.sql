-- Coupons as people look at them: series with what they took off, coupons under their masks, uses, reminders.

-- name: series
-- Each name with its latest terms. Marginal cost: what was taken off and stayed off, less what a third party bears;
-- what buyers would have done without a coupon nobody knows, so nothing is guessed. Orders: those we know, delivered.
SELECT latest.name, latest.version, latest.terms, latest.published_at, coalesce(issued.coupons, 0)::bigint AS issued,
    coalesce(issued.used, 0)::bigint AS used, coalesce(issued.revoked, 0)::bigint AS revoked,
    coalesce(issued.expired, 0)::bigint AS expired, coalesce(given.uses, 0)::bigint AS given,
    coalesce(given.held, 0)::bigint AS held, coalesce(given.discount_minor, 0)::bigint AS discount_minor,
    coalesce(given.held_minor, 0)::bigint AS held_minor, coalesce(given.borne_minor, 0)::bigint AS borne_minor,
    coalesce(sold.orders, 0)::bigint AS orders, coalesce(sold.turnover_minor, 0)::bigint AS turnover_minor,
    coalesce(sold.costed_orders, 0)::bigint AS costed_orders, coalesce(sold.margin_minor, 0)::bigint AS margin_minor
FROM (
    SELECT DISTINCT ON (name) name, version, terms, published_at
    FROM coupon_series
    WHERE $1::text IS NULL OR name = $1::text
    ORDER BY name, version DESC
) latest
LEFT JOIN LATERAL (
    SELECT count(*) AS coupons,
        count(*) FILTER (WHERE EXISTS (
            SELECT FROM coupon_use
            WHERE coupon_use.coupon_id = coupon.coupon_id AND coupon_use.state IN ('confirmed', 'kept')
        )) AS used,
        count(coupon_revocation.coupon_id) AS revoked,
        count(*) FILTER (WHERE coupon.expires_at <= $2::timestamptz AND coupon_revocation.coupon_id IS NULL)
            AS expired
    FROM coupon_series
    JOIN coupon ON coupon.series_id = coupon_series.series_id
    LEFT JOIN coupon_revocation ON coupon_revocation.coupon_id = coupon.coupon_id
    WHERE coupon_series.name = latest.name
) issued ON true
LEFT JOIN LATERAL (
    SELECT count(*) FILTER (WHERE coupon_use.state = 'confirmed') AS uses,
        count(*) FILTER (WHERE coupon_use.state = 'reserved') AS held,
        sum(coupon_use.discount_minor - coupon_use.returned_minor) FILTER (WHERE coupon_use.state = 'confirmed')
            AS discount_minor,
        sum(coupon_use.discount_minor) FILTER (WHERE coupon_use.state = 'reserved') AS held_minor,
        sum(coupon_use.discount_minor - coupon_use.returned_minor) FILTER (
            WHERE coupon_use.state = 'confirmed' AND coupon_series.terms ->> 'borne_by' IS NOT NULL
        ) AS borne_minor
    FROM coupon_series
    JOIN coupon ON coupon.series_id = coupon_series.series_id
    JOIN coupon_use ON coupon_use.coupon_id = coupon.coupon_id
    WHERE coupon_series.name = latest.name
) given ON true
LEFT JOIN LATERAL (
    SELECT count(*) AS orders, sum(basket.turnover_minor) AS turnover_minor,
        count(*) FILTER (WHERE basket.costed) AS costed_orders,
        sum(basket.turnover_minor - basket.cost_minor) FILTER (WHERE basket.costed) AS margin_minor
    FROM coupon_series
    JOIN coupon ON coupon.series_id = coupon_series.series_id
    JOIN coupon_use ON coupon_use.coupon_id = coupon.coupon_id
    CROSS JOIN LATERAL (
        SELECT
            (
                SELECT sum(order_line.quantity * order_line.unit_price_minor)
                FROM order_line
                WHERE order_line.order_id = coupon_use.order_id
            ) AS turnover_minor,
            costs.cost_minor, coalesce(costs.costed, false) AS costed
        FROM (
            SELECT sum(codes.unit_cost_minor * codes.codes) AS cost_minor,
                bool_and(codes.unit_cost_minor IS NOT NULL AND codes.currency = coupon_use.currency) AS costed
            FROM codes_by_cost(ARRAY[coupon_use.order_id]) codes
        ) costs
    ) basket
    WHERE coupon_series.name = latest.name AND coupon_use.state = 'confirmed' AND coupon_use.delivered
        AND coupon_use.order_id IS NOT NULL
) sold ON true
ORDER BY latest.name

-- name: coupons
-- The newest first. $1: series, $2: buyer, $3: before this number.
SELECT coupon.coupon_id, coupon.series, coupon.mask, buyer.name AS buyer, coupon.source_kind, coupon.source_ref,
    coupon.issued_at, coupon.expires_at, coupon_state(coupon, $5::timestamptz) AS state, coupon.uses,
    coupon.uses_at_most
FROM coupon_now coupon
LEFT JOIN buyer ON buyer.buyer_id = coupon.buyer_id
WHERE ($1::text IS NULL OR coupon.series = $1::text)
    AND ($2::bigint IS NULL OR coupon.buyer_id IN (SELECT name.buyer_id FROM names_of($2::bigint) name))
    AND ($3::bigint IS NULL OR coupon.coupon_id < $3::bigint)
ORDER BY coupon.coupon_id DESC
LIMIT $4::int

-- name: steps
-- What happened to a coupon's uses, the newest first.
SELECT channel.name AS channel, coupon_use.basket_ref, coupon_step.state, coupon_step.at, coupon_step.actor,
    coupon_step.reason, coupon_step.amount_minor, coupon_use.currency, coupon_use.order_id
FROM coupon_use
JOIN channel ON channel.channel_id = coupon_use.channel_id
JOIN coupon_step ON coupon_step.use_id = coupon_use.use_id
WHERE coupon_use.coupon_id = $1::bigint
ORDER BY coupon_step.step_id DESC
LIMIT 200

-- name: deeds
-- What people did to a coupon: who looked at its code, who gave it, who took it back; the newest first.
SELECT audit.action, audit.at, audit.actor, audit.reason
FROM audit
WHERE audit.subject = 'coupon ' || $1::bigint AND audit.action IN ('coupon.reveal', 'coupon.give')
UNION ALL
SELECT 'coupon.revoke', coupon_revocation.revoked_at, coupon_revocation.actor, coupon_revocation.reason
FROM coupon_revocation
WHERE coupon_revocation.coupon_id = $1::bigint
ORDER BY at DESC
LIMIT 200

-- name: reminders
-- Those after a number, oldest first: numbers rise in the order of commits, so nobody is left out or told twice.
SELECT coupon_reminder.reminder_id, coupon_reminder.coupon_id, coupon_series.name AS series, coupon.mask,
    coalesce(buyer.name, '') AS buyer, coupon.expires_at, coupon_reminder.days_before, coupon_reminder.reminded_at
FROM coupon_reminder
JOIN coupon ON coupon.coupon_id = coupon_reminder.coupon_id
JOIN coupon_series ON coupon_series.series_id = coupon.series_id
LEFT JOIN buyer ON buyer.buyer_id = coupon.buyer_id
WHERE coupon_reminder.reminder_id > $1::bigint
ORDER BY coupon_reminder.reminder_id
LIMIT $2::int

-- name: issues
SELECT coupon_issue.issue_id, coupon_issue.series_name AS series, coupon_issue.wanted, coupon_issue.segment,
    (SELECT count(*) FROM coupon WHERE coupon.issue_id = coupon_issue.issue_id)::int AS issued,
    coupon_issue.actor, coupon_issue.reason, coupon_issue.begun_at, coupon_issue.exported_at, coupon_issue.exported_by
FROM coupon_issue
ORDER BY coupon_issue.issue_id DESC
LIMIT $1::int
