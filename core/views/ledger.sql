-- name: balances
-- The sum of every account's entries; accounts that were never posted to are left out.
SELECT account.party, account.party_name, account.purpose, account.currency, posted.balance_minor, posted.entries
FROM (
    SELECT entry.account_id, sum(entry.amount_minor)::bigint AS balance_minor, count(*)::bigint AS entries
    FROM entry
    GROUP BY entry.account_id
) posted
JOIN account ON account.account_id = posted.account_id
ORDER BY account.currency, account.party, account.party_name, account.purpose

-- name: transactions_of_order
-- Found by line, as the index of sold lines has it; refunds by the sale that they reverse.
WITH sold AS MATERIALIZED (
    SELECT sale.transaction_id
    FROM order_line
    JOIN journal_transaction sale ON sale.order_id = order_line.order_id
        AND sale.line_no = order_line.line_no
        AND sale.kind = 'sale'
    WHERE order_line.order_id = $1::bigint
),
meant AS MATERIALIZED (
    SELECT transaction_id FROM sold
    UNION ALL
    SELECT refund.transaction_id
    FROM sold
    JOIN journal_transaction refund ON refund.reverses_id = sold.transaction_id AND refund.kind = 'refund'
)
SELECT posted.transaction_id, posted.kind, posted.line_no, posted.reverses_id, posted.posted_at, entry.entry_no,
    account.party, account.party_name, account.purpose, account.currency, entry.amount_minor
FROM meant
JOIN journal_transaction posted ON posted.transaction_id = meant.transaction_id
JOIN entry ON entry.transaction_id = posted.transaction_id
JOIN account ON account.account_id = entry.account_id
ORDER BY posted.posted_at, posted.transaction_id, entry.entry_no

-- name: sold_lines
-- The sales of an order with the plan that split each.
SELECT sale.transaction_id, sale.line_no, sale.posted_at, order_line.unit_price_minor, channel_order.currency,
    channel.name AS channel, split_plan.name AS plan_name, split_plan.version AS plan_version, split_plan.rules
FROM order_line
JOIN journal_transaction sale ON sale.order_id = order_line.order_id
    AND sale.line_no = order_line.line_no
    AND sale.kind = 'sale'
JOIN channel_order ON channel_order.order_id = order_line.order_id
JOIN channel ON channel.channel_id = channel_order.channel_id
JOIN split_plan ON split_plan.plan_id = sale.plan_id
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
