-- name: orders_of
SELECT channel_order.order_id, channel_order.channel_id, channel.name AS channel, channel_order.order_ref,
    channel_order.currency, channel_order.buyer_ref, channel_order.placed_at
FROM channel_order
JOIN channel ON channel.channel_id = channel_order.channel_id
WHERE channel_order.order_id = ANY ($1::bigint[])

-- name: lines_of
-- Sold lines, and what their entries say: what the buyer paid, what the channel and what the operator took.
SELECT sale.order_id, sale.line_no, sale.written_in, sale.posted_at, sku.sku_ref, sku.tags,
    coalesce(split.gross_minor, 0)::bigint AS gross_minor, coalesce(split.channel_minor, 0)::bigint AS channel_minor,
    coalesce(split.operator_minor, 0)::bigint AS operator_minor
FROM journal_transaction sale
JOIN order_line ON order_line.order_id = sale.order_id AND order_line.line_no = sale.line_no
JOIN sku ON sku.sku_id = order_line.sku_id
CROSS JOIN LATERAL (
    SELECT
        sum(entry.amount_minor) FILTER (
            WHERE account.party = 'channel' AND account.purpose IN ('receivable', 'commission')
        ) AS gross_minor,
        -sum(entry.amount_minor) FILTER (
            WHERE account.party = 'channel' AND account.purpose = 'recharged'
        ) AS channel_minor,
        -sum(entry.amount_minor) FILTER (
            WHERE account.party = 'operator' AND account.purpose IN ('commission', 'loss')
        ) AS operator_minor
    FROM entry
    JOIN account ON account.account_id = entry.account_id
    WHERE entry.transaction_id = sale.transaction_id
) split
WHERE sale.order_id = ANY ($1::bigint[]) AND sale.kind = 'sale'
ORDER BY sale.order_id, sale.line_no

-- name: bought_before
-- Of the person behind each order: how many orders came before it in the journal, and what all of them came to with it,
-- less what had gone back by then. The journal's own order decides, so it is the same whenever it is asked. Fenced, so that
-- the planner goes from the person to his orders and never the other way, however small it thinks that the tables are.
SELECT asked.order_id, person_of(asked.buyer_id) AS person_id, history.orders,
    coalesce(history.bought_minor, 0)::bigint AS bought_minor
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) asked(order_id, buyer_id, written_in)
JOIN channel_order mine ON mine.order_id = asked.order_id
CROSS JOIN LATERAL (
    SELECT count(DISTINCT sold.order_id) FILTER (WHERE sold.order_id <> asked.order_id) AS orders,
        sum(sold.quantity * sold.unit_price_minor - coalesce(back.refunded_minor, 0)) FILTER (
            WHERE theirs.currency = mine.currency
        ) AS bought_minor
    FROM (
        SELECT their.order_id, their.currency
        FROM names_of(person_of(asked.buyer_id)) name
        CROSS JOIN LATERAL (
            SELECT channel_order.order_id, channel_order.currency
            FROM buyer_handle
            JOIN channel_order ON channel_order.channel_id = buyer_handle.channel_id
                AND channel_order.buyer_ref = buyer_handle.buyer_ref
            WHERE buyer_handle.buyer_id = name.buyer_id
            OFFSET 0
        ) their
        OFFSET 0
    ) theirs
    CROSS JOIN LATERAL (
        SELECT sale.order_id, sale.transaction_id, order_line.quantity, order_line.unit_price_minor
        FROM journal_transaction sale
        JOIN order_line ON order_line.order_id = sale.order_id AND order_line.line_no = sale.line_no
        WHERE sale.order_id = theirs.order_id
            AND sale.kind = 'sale'
            AND (sale.written_in, sale.order_id) <= (asked.written_in, asked.order_id)
        OFFSET 0
    ) sold
    LEFT JOIN LATERAL (
        SELECT CASE
            WHEN sale_refund.amounts_minor IS NULL THEN sold.quantity * sold.unit_price_minor
            ELSE (SELECT sum(part) FROM unnest(sale_refund.amounts_minor) part)
        END AS refunded_minor
        FROM sale_refund
        JOIN journal_transaction refund ON refund.transaction_id = sale_refund.transaction_id
            AND refund.written_in < asked.written_in
        WHERE sale_refund.sale_id = sold.transaction_id
        ORDER BY sale_refund.refund_no DESC
        LIMIT 1
    ) back ON true
) history

-- name: refunded_lines
-- What had gone back of each line of an order when the journal had come to a place.
SELECT sale.line_no, back.refunded_minor::bigint AS refunded_minor
FROM journal_transaction sale
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN sale_refund.amounts_minor IS NULL THEN (
            SELECT coalesce(sum(entry.amount_minor), 0)
            FROM entry
            JOIN account ON account.account_id = entry.account_id
            WHERE entry.transaction_id = sale.transaction_id
                AND account.party = 'channel'
                AND account.purpose IN ('receivable', 'commission')
        )
        ELSE (SELECT sum(part) FROM unnest(sale_refund.amounts_minor) part)
    END AS refunded_minor
    FROM sale_refund
    JOIN journal_transaction refund ON refund.transaction_id = sale_refund.transaction_id
        AND refund.written_in <= $2::bigint
    WHERE sale_refund.sale_id = sale.transaction_id
    ORDER BY sale_refund.refund_no DESC
    LIMIT 1
) back
WHERE sale.order_id = $1::bigint AND sale.kind = 'sale'
