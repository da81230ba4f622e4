-- name: sold_lines
-- The sales of an order, with the plan that split each and what it was told.
SELECT sale.transaction_id, sale.lane, sale.line_no, sale.plan_id, sale.posted_at, order_line.unit_price_minor,
    channel_order.currency, channel_order.placed_at, channel.name AS channel, split_plan.name AS plan_name,
    split_plan.version AS plan_version, split_plan.rules, sale_facts.facts
FROM order_line
JOIN journal_transaction sale ON sale.order_id = order_line.order_id
    AND sale.line_no = order_line.line_no
    AND sale.kind = 'sale'
JOIN channel_order ON channel_order.order_id = order_line.order_id
JOIN channel ON channel.channel_id = channel_order.channel_id
JOIN split_plan ON split_plan.plan_id = sale.plan_id
LEFT JOIN sale_facts ON sale_facts.order_id = order_line.order_id AND sale_facts.line_no = order_line.line_no
WHERE order_line.order_id = $1::bigint
ORDER BY sale.line_no

-- name: consignors_at_sale
-- How many codes of a line were whose when it was sold: without those given back before it, and without those
-- that came later in the place of a bad one.
SELECT consignor.name, count(*)::int AS codes
FROM allocation
JOIN shelf ON shelf.lane = allocation.lane AND shelf.shelf_id = allocation.shelf_id
JOIN consignor ON consignor.consignor_id = shelf.consignor_id
WHERE allocation.order_id = $1::bigint
    AND allocation.line_no = $2::smallint
    AND NOT EXISTS (
        SELECT FROM departure
        WHERE departure.lane = allocation.lane
            AND departure.shelf_id = allocation.shelf_id
            AND departure.slot = allocation.slot
            AND departure.departed_at < $3::timestamptz
    )
    AND NOT EXISTS (
        SELECT FROM replacement
        WHERE replacement.lane = allocation.lane
            AND replacement.shelf_id = allocation.shelf_id
            AND replacement.slot = allocation.slot
            AND replacement.replaced_at >= $3::timestamptz
    )
GROUP BY consignor.name
ORDER BY consignor.name

-- name: redemptions
SELECT line_no, unit_redeemed_minor, min(redeemed_at) OVER (PARTITION BY line_no) AS first_at
FROM sale_redemption
WHERE order_id = $1::bigint
ORDER BY line_no, redemption_no

-- name: refunds
SELECT sale_id, refund_no, amounts_minor, free_units
FROM sale_refund
WHERE sale_id = ANY ($1::bigint[])
ORDER BY sale_id, refund_no

-- name: standing
-- What stands on each account of a line: its sale, what was refunded, and what vested or lapsed since.
WITH posted AS MATERIALIZED (
    SELECT $1::bigint AS transaction_id
    UNION ALL
    SELECT transaction_id FROM journal_transaction WHERE reverses_id = $1::bigint AND kind = 'refund'
    UNION ALL
    SELECT transaction_id
    FROM journal_transaction
    WHERE order_id = $2::bigint AND line_no = $3::smallint AND kind IN ('release', 'lapse', 'redemption')
)
SELECT account.party, account.party_name, account.purpose, sum(entry.amount_minor)::bigint AS amount_minor
FROM posted
JOIN entry ON entry.transaction_id = posted.transaction_id
JOIN account ON account.account_id = entry.account_id
GROUP BY account.party, account.party_name, account.purpose
HAVING sum(entry.amount_minor) <> 0

-- name: lock_sales
-- Whoever changes what stands on a sale's accounts holds its row.
SELECT transaction_id
FROM journal_transaction
WHERE order_id = $1::bigint AND kind = 'sale'
ORDER BY line_no
FOR UPDATE

-- name: add_refund
INSERT INTO sale_refund (sale_id, refund_no, transaction_id, amounts_minor, free_units, refunded_at, actor, reason)
VALUES ($1::bigint, $2::smallint, $3::bigint, $4::bigint[], $5::int[], $6::timestamptz, $7::text, $8::text)

-- name: add_redemption
INSERT INTO sale_redemption (order_id, line_no, redemption_no, unit_redeemed_minor, redeemed_at, actor)
SELECT $1::bigint, $2::smallint, coalesce(max(redemption_no), 0) + 1, $3::bigint, $4::timestamptz, $5::text
FROM sale_redemption
WHERE order_id = $1::bigint AND line_no = $2::smallint

-- name: set_split_due
INSERT INTO split_due (order_id, line_no, due_at)
VALUES ($1::bigint, $2::smallint, $3::timestamptz)
ON CONFLICT ON CONSTRAINT split_due_key DO UPDATE SET due_at = excluded.due_at

-- name: drop_split_due
DELETE FROM split_due WHERE order_id = $1::bigint AND line_no = $2::smallint

-- name: due_splits
SELECT DISTINCT order_id
FROM split_due
WHERE due_at <= $1::timestamptz
ORDER BY order_id
LIMIT $2::int

-- name: postpone_splits
UPDATE split_due SET due_at = $3::timestamptz WHERE order_id = $1::bigint AND due_at <= $2::timestamptz

-- name: settle_owed_as_refunded
UPDATE split_owed SET settled_at = $2::timestamptz, outcome = 'refunded'
WHERE order_id = $1::bigint AND settled_at IS NULL
