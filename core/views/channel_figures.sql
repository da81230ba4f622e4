-- name: channel_figures
-- $1: now, $2: from when on. Money from the journal, found by time; stock from the looks at it, by day.
WITH posted AS MATERIALIZED (
    SELECT journal_transaction.transaction_id, journal_transaction.kind, journal_transaction.order_id
    FROM journal_transaction
    WHERE journal_transaction.posted_at > $2::timestamptz AND journal_transaction.posted_at <= $1::timestamptz
),
-- Price and fee of sales less those of refunds; fees that came with statements beside them.
money AS (
    SELECT account.party_name AS channel, account.currency,
        sum(entry.amount_minor) FILTER (
            WHERE account.purpose IN ('receivable', 'commission')
                AND posted.kind NOT IN ('clearing', 'payout', 'discrepancy', 'settlement', 'fx')
        ) AS turnover_minor,
        sum(entry.amount_minor) FILTER (WHERE account.purpose <> 'receivable') AS fees_minor
    FROM posted
    JOIN entry ON entry.transaction_id = posted.transaction_id
    JOIN account ON account.account_id = entry.account_id
    WHERE account.party = 'channel'
        AND account.purpose IN ('receivable', 'commission', 'edit_fees', 'release_fees', 'unfulfilled_fees')
    GROUP BY account.party_name, account.currency
),
fate AS (
    SELECT channel_order.channel_id,
        count(*) FILTER (WHERE posted.kind = 'sale') AS deliveries,
        count(*) FILTER (WHERE posted.kind = 'refund') AS refunds
    FROM posted
    JOIN channel_order ON channel_order.order_id = posted.order_id
    GROUP BY channel_order.channel_id
),
replaced AS (
    SELECT channel_order.channel_id, count(*) AS replacements
    FROM replacement
    JOIN allocation ON allocation.lane = replacement.bad_lane
        AND allocation.shelf_id = replacement.bad_shelf_id
        AND allocation.slot = replacement.bad_slot
    JOIN channel_order ON channel_order.order_id = allocation.order_id
    WHERE replacement.replaced_at > $2::timestamptz AND replacement.replaced_at <= $1::timestamptz
    GROUP BY channel_order.channel_id
),
-- Stock is shared, so what turns over is what all channels sold of the SKUs that this one lists.
sku_stock AS (
    SELECT sku_id, sum(units_sum::float8 / samples) / count(*) AS units, count(*) AS days
    FROM stock_day
    WHERE day >= ($2::timestamptz AT TIME ZONE 'UTC')::date AND day <= ($1::timestamptz AT TIME ZONE 'UTC')::date
        AND samples > 0
    GROUP BY sku_id
),
sku_sold AS (
    SELECT sku_id, sum(units) AS units
    FROM sale_hour
    WHERE hour > $2::timestamptz AND hour <= $1::timestamptz
    GROUP BY sku_id
),
turned AS (
    SELECT listed.channel_id, sum(sku_stock.units) AS stock_units, coalesce(sum(sku_sold.units), 0) AS sold_units,
        max(sku_stock.days) AS days
    FROM (SELECT DISTINCT channel_id, sku_id FROM listing WHERE enabled) listed
    JOIN sku_stock ON sku_stock.sku_id = listed.sku_id
    LEFT JOIN sku_sold ON sku_sold.sku_id = listed.sku_id
    GROUP BY listed.channel_id
)
SELECT channel.name AS channel, coalesce(money.currency, channel.currency) AS currency,
    coalesce(money.turnover_minor, 0)::bigint AS turnover_minor, coalesce(money.fees_minor, 0)::bigint AS fees_minor,
    coalesce(fate.deliveries, 0)::bigint AS deliveries, coalesce(fate.refunds, 0)::bigint AS refunds,
    coalesce(replaced.replacements, 0)::bigint AS replacements, coalesce(turned.sold_units, 0)::float8 AS sold_units,
    turned.stock_units::float8 AS stock_units, coalesce(turned.days, 0)::int AS stock_days
FROM channel
LEFT JOIN money ON money.channel = channel.name
LEFT JOIN fate ON fate.channel_id = channel.channel_id
LEFT JOIN replaced ON replaced.channel_id = channel.channel_id
LEFT JOIN turned ON turned.channel_id = channel.channel_id
ORDER BY channel.name, currency
