-- name: orders_sold_since
SELECT order_id
FROM journal_transaction
WHERE kind = 'sale' AND posted_at >= $1::timestamptz
GROUP BY order_id
ORDER BY min(posted_at), order_id

-- name: lines_sold
-- All that any plan may ask of the lines of these orders, and how each was split.
SELECT sale.order_id, sale.line_no, sale.plan_id, sale.posted_at, order_line.unit_price_minor, sku.sku_ref, sku.tags,
    channel_order.currency, channel_order.placed_at, channel_order.channel_id, channel_order.buyer_ref,
    channel.name AS channel,
    split_plan.name AS plan_name, split_plan.version AS plan_version, split_plan.rules, sale_facts.facts,
    redeemed.unit_redeemed_minor
FROM journal_transaction sale
JOIN order_line ON order_line.order_id = sale.order_id AND order_line.line_no = sale.line_no
JOIN channel_order ON channel_order.order_id = sale.order_id
JOIN channel ON channel.channel_id = channel_order.channel_id
JOIN sku ON sku.sku_id = order_line.sku_id
JOIN split_plan ON split_plan.plan_id = sale.plan_id
LEFT JOIN sale_facts ON sale_facts.order_id = sale.order_id AND sale_facts.line_no = sale.line_no
LEFT JOIN LATERAL (
    SELECT unit_redeemed_minor
    FROM sale_redemption
    WHERE sale_redemption.order_id = sale.order_id AND sale_redemption.line_no = sale.line_no
    ORDER BY redemption_no DESC
    LIMIT 1
) redeemed ON true
WHERE sale.order_id = ANY ($1::bigint[]) AND sale.kind = 'sale'
ORDER BY sale.posted_at, sale.order_id, sale.line_no

-- name: codes_sold
SELECT order_id, line_no, name, codes FROM codes_by_cost($1::bigint[])

-- name: orders_before
-- How many orders each of these people had delivered before these orders were sold.
SELECT asked.order_id, count(before.order_id) AS orders
FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[]) asked(order_id, buyer_id, sold_at)
LEFT JOIN LATERAL (
    SELECT channel_order.order_id
    FROM names_of(person_of(asked.buyer_id)) name
    JOIN buyer_handle ON buyer_handle.buyer_id = name.buyer_id
    JOIN channel_order ON channel_order.channel_id = buyer_handle.channel_id
        AND channel_order.buyer_ref = buyer_handle.buyer_ref
    WHERE channel_order.order_id <> asked.order_id
        AND EXISTS (
            SELECT FROM order_move
            WHERE order_move.order_id = channel_order.order_id
                AND order_move.to_state = 'delivered'
                AND order_move.moved_at < asked.sold_at
        )
) before ON true
GROUP BY asked.order_id
