-- What is given to buyers, as alerts measure it.
-- Each query answers with every subject there is, well or not: what is not answered is gone.

-- name: rewards_warned
-- Rewards that a guard let pass with a warning since $2 ago, and what it said of the last.
SELECT count(*) AS warned, (array_agg(
    'campaign ' || campaign_grant.name || ', order ' || campaign_grant.order_id || ': ' || campaign_grant.warning
    ORDER BY campaign_grant.grant_id DESC
))[1] AS why
FROM campaign
JOIN campaign_grant ON campaign_grant.name = campaign.name
    AND campaign_grant.granted_at > $1::timestamptz - $2::interval
    AND campaign_grant.warning <> ''

-- name: rewards_late
-- Orders of which campaigns could not do something for longer than $2, and why the first of them cannot be done.
SELECT channel.name AS channel, coalesce(waiting.late, 0) AS late, waiting.first_ref, waiting.first_at, waiting.why
FROM channel
LEFT JOIN (
    SELECT DISTINCT ON (channel_order.channel_id) channel_order.channel_id, channel_order.order_ref AS first_ref,
        failed.failed_at AS first_at, failed.error AS why,
        count(*) OVER (PARTITION BY channel_order.channel_id) AS late
    FROM (
        SELECT DISTINCT ON (order_id) order_id, failed_at, error
        FROM campaign_late
        WHERE failed_at <= $1::timestamptz - $2::interval
        ORDER BY order_id, failed_at, work
    ) failed
    JOIN channel_order ON channel_order.order_id = failed.order_id
    ORDER BY channel_order.channel_id, failed.failed_at, failed.order_id
) waiting ON waiting.channel_id = channel.channel_id
ORDER BY channel.name

-- name: coupons_expiring
-- Coupons that a reminder was written for and that may still be used, by series; when the first of them ends. Only those
-- that end within the longest time before which any series reminds are looked at.
SELECT series.name AS series, coalesce(ending.coupons, 0) AS coupons, ending.first_at
FROM (SELECT DISTINCT name FROM coupon_series) series
LEFT JOIN (
    SELECT coupon.series AS name, count(*) AS coupons, min(coupon.expires_at) AS first_at
    FROM coupon_now coupon
    WHERE coupon.expires_at > $1::timestamptz
        AND coupon.expires_at <= $1::timestamptz + make_interval(days => (
            SELECT coalesce(max(day.value::int), 0)
            FROM coupon_series every
            CROSS JOIN jsonb_array_elements_text(every.terms -> 'remind_days') day
        ))
        AND EXISTS (SELECT FROM coupon_reminder WHERE coupon_reminder.coupon_id = coupon.coupon_id)
        AND coupon_state(coupon, $1::timestamptz) = 'open'
    GROUP BY coupon.series
) ending ON ending.name = series.name
ORDER BY series.name
