-- name: grants_of_order
SELECT campaign_grant.grant_id, campaign_grant.name, campaign_grant.order_id, campaign_grant.reward,
    campaign_grant.buyer_id, buyer.name AS buyer, campaign_grant.beneficiary, campaign_grant.pays,
    campaign_grant.currency, campaign_grant.points, campaign_grant.amount_minor, campaign_grant.eligible_minor,
    campaign_grant.line_nos, campaign_grant.on_refund, sale.posted_at AS delivered_at, (
        SELECT count(*) FROM campaign_grant_back back WHERE back.grant_id = campaign_grant.grant_id
    )::int AS backs
FROM campaign_grant
JOIN buyer ON buyer.buyer_id = campaign_grant.buyer_id
JOIN LATERAL (
    SELECT min(posted_at) AS posted_at
    FROM journal_transaction
    WHERE journal_transaction.order_id = campaign_grant.order_id AND kind = 'sale'
) sale ON true
WHERE campaign_grant.order_id = $1::bigint
ORDER BY campaign_grant.grant_id

-- name: parts_of_grant
SELECT part_no, amount, back, vested_at, paid_ref
FROM campaign_part
WHERE grant_id = $1::bigint
ORDER BY part_no

-- name: set_back
UPDATE campaign_part SET back = $3::bigint WHERE grant_id = $1::bigint AND part_no = $2::smallint

-- name: add_back
INSERT INTO campaign_grant_back (grant_id, back_no, amount_minor, points, refunded_minor, reason, taken_at)
VALUES ($1::bigint, $2::smallint, $3::bigint, $4::bigint, $5::bigint, $6::text, $7::timestamptz)

-- name: counted_of_order
SELECT counted.name, counted.reward, counted.beneficiary, counted.period_start, counted.turnover_minor,
    counted.back_minor, counted.eligible_minor, counted.line_nos
FROM campaign_counted counted
WHERE counted.order_id = $1::bigint
ORDER BY counted.name, counted.reward

-- name: set_counted_back
UPDATE campaign_counted
SET back_minor = $4::bigint
WHERE order_id = $1::bigint AND name = $2::text AND reward = $3::text
