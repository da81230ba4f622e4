-- What came back of an order's sales.

-- name: refunds
SELECT sale.line_no, sale_refund.refund_no, sale_refund.refunded_at, sale_refund.actor, sale_refund.reason,
    sale_refund.transaction_id, channel_order.currency,
    coalesce((
        SELECT -sum(entry.amount_minor)
        FROM entry
        JOIN account ON account.account_id = entry.account_id
        WHERE entry.transaction_id = sale_refund.transaction_id
            AND account.party = 'channel'
            AND account.purpose IN ('receivable', 'commission')
    ), 0)::bigint AS amount_minor
FROM order_line
JOIN channel_order ON channel_order.order_id = order_line.order_id
JOIN journal_transaction sale ON sale.order_id = order_line.order_id
    AND sale.line_no = order_line.line_no
    AND sale.kind = 'sale'
JOIN sale_refund ON sale_refund.sale_id = sale.transaction_id
WHERE order_line.order_id = $1::bigint
ORDER BY sale.line_no, sale_refund.refund_no
