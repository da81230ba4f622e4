-- What a campaign cost and brought, against the period of the same length before it.

-- name: span
-- From when to when a campaign ran, over all its versions, with what was granted and came back.
SELECT campaign.currency, min(campaign_version.starts_at) AS starts_at,
    least(max(campaign_version.ends_at), min(campaign_stop.stopped_at)) AS ends_at
FROM campaign
JOIN campaign_version ON campaign_version.name = campaign.name
LEFT JOIN campaign_stop ON campaign_stop.name = campaign.name
WHERE campaign.name = $1::text
GROUP BY campaign.currency

-- name: spent_days
SELECT day, granted_minor, returned_minor
FROM campaign_spend
WHERE name = $1::text
ORDER BY day

-- name: judged
-- Orders that got something, of all that the campaign looked at.
SELECT count(DISTINCT looked.order_id) FILTER (WHERE looked.granted)::bigint AS granted,
    count(DISTINCT looked.order_id)::bigint AS looked_at
FROM (
    SELECT order_id, true AS granted FROM campaign_grant WHERE name = $1::text
    UNION ALL
    SELECT order_id, false FROM campaign_refusal WHERE name = $1::text
) looked

-- name: used
-- What was given and not taken back, by what it was paid in, and what of it was used: money, points, or coupons.
WITH part AS (
    SELECT campaign_grant.pays, split_part(campaign_grant.pays, ':', 1) AS kind, campaign_part.amount,
        campaign_part.back, campaign_part.paid_ref::bigint AS paid_id
    FROM campaign_grant
    JOIN campaign_part ON campaign_part.grant_id = campaign_grant.grant_id
    WHERE campaign_grant.name = $1::text AND campaign_part.paid_ref IS NOT NULL
)
SELECT part.pays,
    (CASE WHEN part.kind = 'coupon' THEN count(*) FILTER (WHERE part.back < part.amount OR part.amount = 0)
        ELSE sum(part.amount - part.back) END)::bigint AS given,
    (CASE WHEN part.kind = 'coupon' THEN count(*) FILTER (WHERE coupon.used)
        ELSE coalesce(sum(least(lot.used, part.amount - part.back)), 0) END)::bigint AS used
FROM part
LEFT JOIN LATERAL (
    SELECT sum(wallet_use.units) AS used
    FROM wallet_use
    WHERE wallet_use.lot_id = part.paid_id AND wallet_use.kind = 'spent'
) lot ON part.kind <> 'coupon'
LEFT JOIN LATERAL (
    SELECT EXISTS (
        SELECT FROM coupon_use WHERE coupon_use.coupon_id = part.paid_id AND coupon_use.state = 'confirmed'
    ) AS used
) coupon ON part.kind = 'coupon'
GROUP BY part.pays, part.kind
ORDER BY part.pays

-- name: sales
-- Delivered lines in the currency, day by day, but for orders that were refunded whole. $2 to $3: both periods; $4:
-- where the second begins. Sales are found by time, the rest by look-ups.
WITH sold AS MATERIALIZED (
    SELECT journal_transaction.order_id, journal_transaction.line_no, journal_transaction.posted_at
    FROM journal_transaction
    JOIN channel_order ON channel_order.order_id = journal_transaction.order_id
    WHERE journal_transaction.kind = 'sale'
        AND journal_transaction.posted_at >= $2::timestamptz
        AND journal_transaction.posted_at < $3::timestamptz
        AND channel_order.currency = $1::text
        AND NOT EXISTS (
            SELECT FROM order_move
            WHERE order_move.order_id = journal_transaction.order_id AND order_move.to_state = 'refunded'
        )
),
-- Known only where every code of the line has a cost, in the currency.
cost AS (
    SELECT codes.order_id, codes.line_no, sum(codes.unit_cost_minor * codes.codes)::bigint AS cost_minor
    FROM codes_by_cost(ARRAY(SELECT DISTINCT sold.order_id FROM sold)) codes
    GROUP BY codes.order_id, codes.line_no
    HAVING bool_and(codes.unit_cost_minor IS NOT NULL AND codes.currency = $1::text)
)
SELECT sold.posted_at >= $4::timestamptz AS during, (sold.posted_at AT TIME ZONE 'UTC')::date AS day,
    sum(order_line.quantity * order_line.unit_price_minor)::bigint AS turnover_minor,
    coalesce(sum(order_line.quantity * order_line.unit_price_minor) FILTER (WHERE cost.order_id IS NOT NULL), 0)::bigint
        AS costed_minor,
    coalesce(sum(cost.cost_minor), 0)::bigint AS cost_minor
FROM sold
JOIN order_line ON order_line.order_id = sold.order_id AND order_line.line_no = sold.line_no
LEFT JOIN cost ON cost.order_id = sold.order_id AND cost.line_no = sold.line_no
GROUP BY during, day
ORDER BY during, day

-- name: customers
-- Orders of both periods and who placed them; whoever the channel does not name counts for no buyer.
SELECT count(DISTINCT sold.order_id) FILTER (WHERE sold.during)::bigint AS orders,
    count(DISTINCT sold.person) FILTER (WHERE sold.during)::bigint AS buyers,
    count(DISTINCT sold.order_id) FILTER (WHERE NOT sold.during)::bigint AS orders_before,
    count(DISTINCT sold.person) FILTER (WHERE NOT sold.during)::bigint AS buyers_before
FROM (
    SELECT journal_transaction.order_id, journal_transaction.posted_at >= $4::timestamptz AS during,
        coalesce(person_of(buyer_handle.buyer_id)::text, channel_order.channel_id || '/' || channel_order.buyer_ref)
            AS person
    FROM journal_transaction
    JOIN channel_order ON channel_order.order_id = journal_transaction.order_id
    LEFT JOIN buyer_handle ON buyer_handle.channel_id = channel_order.channel_id
        AND buyer_handle.buyer_ref = channel_order.buyer_ref
    WHERE journal_transaction.kind = 'sale'
        AND journal_transaction.posted_at >= $2::timestamptz
        AND journal_transaction.posted_at < $3::timestamptz
        AND channel_order.currency = $1::text
        AND NOT EXISTS (
            SELECT FROM order_move
            WHERE order_move.order_id = journal_transaction.order_id AND order_move.to_state = 'refunded'
        )
) sold

-- name: repurchase
-- Of buyers who bought while it ran, and whose days to come again are over: how many did. For whoever was rewarded
-- it counts from the first order that was, for the others from their first. $5: now, $6: days.
WITH bought AS MATERIALIZED (
    SELECT person_of(buyer_handle.buyer_id) AS person, channel_order.order_id,
        min(journal_transaction.posted_at) AS at,
        EXISTS (
            SELECT FROM campaign_grant
            WHERE campaign_grant.order_id = channel_order.order_id AND campaign_grant.name = $2::text
        ) AS rewarded
    FROM journal_transaction
    JOIN channel_order ON channel_order.order_id = journal_transaction.order_id
    JOIN buyer_handle ON buyer_handle.channel_id = channel_order.channel_id
        AND buyer_handle.buyer_ref = channel_order.buyer_ref
    WHERE journal_transaction.kind = 'sale'
        AND journal_transaction.posted_at >= $3::timestamptz
        AND journal_transaction.posted_at < $4::timestamptz + make_interval(days => $6::int)
        AND journal_transaction.posted_at <= $5::timestamptz
        AND channel_order.currency = $1::text
        AND NOT EXISTS (
            SELECT FROM order_move
            WHERE order_move.order_id = channel_order.order_id AND order_move.to_state = 'refunded'
        )
    GROUP BY channel_order.order_id, buyer_handle.buyer_id
),
first AS (
    SELECT DISTINCT ON (bought.person) bought.person, bought.order_id, bought.at, bought.rewarded
    FROM bought
    WHERE bought.at < $4::timestamptz
    ORDER BY bought.person, bought.rewarded DESC, bought.at, bought.order_id
),
-- The order after the one that counts, in one pass over all orders by person.
next AS (
    SELECT first.person, first.at, first.rewarded, min(bought.at) AS again_at
    FROM first
    LEFT JOIN bought ON bought.person = first.person
        AND bought.order_id <> first.order_id
        AND bought.at > first.at
    GROUP BY first.person, first.at, first.rewarded
)
SELECT count(*) FILTER (WHERE next.rewarded)::bigint AS rewarded,
    count(*) FILTER (WHERE next.rewarded AND next.again_at <= next.at + make_interval(days => $6::int))::bigint
        AS rewarded_again,
    count(*) FILTER (WHERE NOT next.rewarded)::bigint AS others,
    count(*) FILTER (WHERE NOT next.rewarded AND next.again_at <= next.at + make_interval(days => $6::int))::bigint
        AS others_again
FROM next
WHERE next.at + make_interval(days => $6::int) <= $5::timestamptz
