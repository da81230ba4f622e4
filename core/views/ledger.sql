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
    UNION ALL
    SELECT transaction_id
    FROM journal_transaction
    WHERE order_id = $1::bigint AND kind IN ('release', 'lapse', 'redemption')
)
SELECT posted.transaction_id, posted.kind, posted.line_no, posted.reverses_id, posted.posted_at, entry.entry_no,
    account.party, account.party_name, account.purpose, account.currency, entry.amount_minor
FROM meant
JOIN journal_transaction posted ON posted.transaction_id = meant.transaction_id
JOIN entry ON entry.transaction_id = posted.transaction_id
JOIN account ON account.account_id = entry.account_id
ORDER BY posted.posted_at, posted.transaction_id, entry.entry_no
