-- What the journal, the offers and the vault never show in a healthy database; same shape as invariants.sql.

-- name: sums_not_zero
SELECT count(*) OVER () AS total,
    format('transaction %s sums to %s %s', entry.transaction_id, sum(entry.amount_minor),
        coalesce(account.currency, '(entries on no account)')) AS what
FROM entry
LEFT JOIN account ON account.account_id = entry.account_id
GROUP BY entry.transaction_id, account.currency
HAVING sum(entry.amount_minor) <> 0 OR account.currency IS NULL
LIMIT 20

-- name: entries_unmatched
-- Entries of no transaction, and transactions of no entries; only what was given away for nothing has none.
WITH written AS (
    SELECT DISTINCT transaction_id FROM entry
)
SELECT count(*) OVER () AS total,
    CASE
        WHEN posted.transaction_id IS NULL THEN format('entries of transaction %s, which is none', written.transaction_id)
        ELSE format('transaction %s has no entries', posted.transaction_id)
    END AS what
FROM journal_transaction posted
FULL JOIN written ON written.transaction_id = posted.transaction_id
LEFT JOIN order_line ON order_line.order_id = posted.order_id AND order_line.line_no = posted.line_no
WHERE posted.transaction_id IS NULL
    OR (
        written.transaction_id IS NULL
        AND order_line.unit_price_minor IS DISTINCT FROM 0
        -- The whole went back in parts before.
        AND NOT EXISTS (
            SELECT FROM sale_refund
            WHERE sale_refund.transaction_id = posted.transaction_id AND sale_refund.refund_no > 1
        )
    )
LIMIT 20

-- name: refunds_not_negative
-- A sale that was refunded whole leaves every account where it was, with all that was posted about it meanwhile;
-- only what a rule of its plan keeps may stay. Every refund is of the line that it says.
WITH whole AS (
    SELECT sale.transaction_id, sale.order_id, sale.line_no
    FROM sale_refund
    JOIN journal_transaction sale ON sale.transaction_id = sale_refund.sale_id
    LEFT JOIN split_plan ON split_plan.plan_id = sale.plan_id
    WHERE sale_refund.amounts_minor IS NULL
        AND jsonb_path_exists(split_plan.rules, '$.rules[*] ? (@.on_refund == "kept")') IS NOT TRUE
),
posted AS (
    SELECT transaction_id AS sale_id, transaction_id FROM whole
    UNION ALL
    SELECT whole.transaction_id, refund.transaction_id
    FROM whole
    JOIN journal_transaction refund ON refund.reverses_id = whole.transaction_id AND refund.kind = 'refund'
    UNION ALL
    SELECT whole.transaction_id, later.transaction_id
    FROM whole
    JOIN journal_transaction later ON later.order_id = whole.order_id AND later.line_no = whole.line_no
        AND later.kind IN ('release', 'lapse', 'redemption')
),
off_by AS (
    SELECT DISTINCT sale_id
    FROM (
        SELECT posted.sale_id, entry.account_id
        FROM posted
        JOIN entry ON entry.transaction_id = posted.transaction_id
        GROUP BY posted.sale_id, entry.account_id
        HAVING sum(entry.amount_minor) <> 0
    ) off
)
SELECT count(*) OVER () AS total,
    format('refund %s is not the exact negative of transaction %s', refund.transaction_id, refund.reverses_id) AS what
FROM journal_transaction refund
LEFT JOIN journal_transaction sale ON sale.transaction_id = refund.reverses_id AND sale.kind = 'sale'
LEFT JOIN sale_refund ON sale_refund.transaction_id = refund.transaction_id
WHERE refund.kind = 'refund'
    AND (
        sale.order_id IS DISTINCT FROM refund.order_id
        OR sale.line_no IS DISTINCT FROM refund.line_no
        OR sale_refund.sale_id IS DISTINCT FROM refund.reverses_id
        OR (sale_refund.amounts_minor IS NULL AND refund.reverses_id IN (SELECT sale_id FROM off_by))
    )
LIMIT 20

-- name: lines_not_split
-- A delivered line that was given codes has one sale, or none while its split is owed; anything else has none.
WITH delivered_order AS (
    SELECT DISTINCT order_id FROM order_move WHERE to_state = 'delivered'
),
owed AS (
    SELECT order_id FROM split_owed WHERE outcome IS DISTINCT FROM 'split'
),
line AS (
    SELECT DISTINCT allocation.order_id, allocation.line_no, owed.order_id IS NOT NULL AS owed
    FROM allocation
    JOIN delivered_order ON delivered_order.order_id = allocation.order_id
    LEFT JOIN owed ON owed.order_id = allocation.order_id
    WHERE NOT EXISTS (
        SELECT FROM departure
        WHERE departure.lane = allocation.lane
            AND departure.shelf_id = allocation.shelf_id
            AND departure.slot = allocation.slot
            AND departure.kind = 'released'
    )
),
sale AS (
    SELECT order_id, line_no, count(*) AS times FROM journal_transaction WHERE kind = 'sale' GROUP BY order_id, line_no
)
SELECT count(*) OVER () AS total,
    CASE
        WHEN line.order_id IS NULL
            THEN format('order %s line %s has a sale, but was not delivered', sale.order_id, sale.line_no)
        ELSE format('order %s line %s was delivered and has %s sales%s', line.order_id, line.line_no,
            coalesce(sale.times, 0), CASE WHEN line.owed THEN ' while its split is owed' END)
    END AS what
FROM line
FULL JOIN sale ON sale.order_id = line.order_id AND sale.line_no = line.line_no
WHERE line.order_id IS NULL OR coalesce(sale.times, 0) <> CASE WHEN line.owed THEN 0 ELSE 1 END
LIMIT 20

-- name: splits_owed
-- Delivered orders whose money waits for a plan or for facts to be mended: told always, and counted only where
-- everything should have come to rest ($1).
SELECT count(*) FILTER (WHERE $1::boolean) OVER () AS total,
    format('order %s was delivered and its split is owed since %s: %s', order_id, since, why) AS what
FROM split_owed
WHERE settled_at IS NULL
ORDER BY since
LIMIT 20

-- name: refunds_unmatched
-- A refunded order has each of its sales refunded whole, any other none.
WITH refunded_order AS (
    SELECT DISTINCT order_id FROM order_move WHERE to_state = 'refunded'
)
SELECT count(*) OVER () AS total,
    format('order %s line %s: the order is %srefunded, its sale %s is %sreversed', sale.order_id, sale.line_no,
        CASE WHEN refunded_order.order_id IS NULL THEN 'not ' END, sale.transaction_id,
        CASE WHEN sale_refund.sale_id IS NULL THEN 'not ' END) AS what
FROM journal_transaction sale
LEFT JOIN sale_refund ON sale_refund.sale_id = sale.transaction_id AND sale_refund.amounts_minor IS NULL
LEFT JOIN refunded_order ON refunded_order.order_id = sale.order_id
WHERE sale.kind = 'sale' AND (sale_refund.sale_id IS NULL) <> (refunded_order.order_id IS NULL)
LIMIT 20

-- name: offers_apart
-- Settled offers whose channel shows something else than is wanted; those under way are told too, and counted
-- only where nothing may be under way any more ($1). One side of the price is the channel's own sum, so the
-- other is enough.
WITH unread AS (
    SELECT DISTINCT channel.channel_id, stock_mark.sku_id
    FROM channel
    CROSS JOIN (SELECT DISTINCT lane FROM sku) lanes
    LEFT JOIN channel_cursor ON channel_cursor.channel_id = channel.channel_id
        AND channel_cursor.subject = 'marks.' || lanes.lane
    JOIN stock_mark ON stock_mark.lane = lanes.lane
        AND stock_mark.mark_id > coalesce(channel_cursor.position::bigint, 0)
),
shown AS (
    SELECT channel.name, listing.listing_ref, offer.*,
        CASE
            WHEN offer.dirty_version <> offer.acked_version THEN format('dirty since %s', offer.dirty_since)
            WHEN unread.sku_id IS NOT NULL THEN 'a change of its stock is not looked at yet'
            WHEN offer.telling_quantity IS NOT NULL OR offer.doubt_quantity IS NOT NULL
                THEN format('told at %s and not answered', offer.told_at)
            WHEN offer.refusal IS NOT NULL THEN 'refused by the channel'
            WHEN offer.published_at IS NULL THEN 'never published'
            WHEN offer.observed_at IS NULL OR offer.observed_at <= offer.published_at
                THEN format('not seen since it was published at %s', offer.published_at)
        END AS pending,
        CASE
            WHEN offer.wanted_on
                THEN (offer.observed_on OR offer.observed_held > 0)
                    -- Units that buyers hold at the channel may be missing from what it shows.
                    AND offer.wanted_quantity IN (
                        offer.observed_quantity, offer.observed_quantity + coalesce(offer.observed_held, 0)
                    )
                    AND (
                        coalesce(offer.observed_price_minor = offer.wanted_price_minor, false)
                        OR coalesce(offer.observed_net_minor = offer.wanted_net_minor, false)
                    )
            ELSE NOT offer.observed_on
        END IS TRUE AS agrees
    FROM offer
    JOIN listing ON listing.listing_id = offer.listing_id
    JOIN channel ON channel.channel_id = listing.channel_id
    LEFT JOIN unread ON unread.channel_id = channel.channel_id AND unread.sku_id = listing.sku_id
    WHERE channel.paused_at IS NULL
)
SELECT count(*) FILTER (WHERE pending IS NULL OR $1::boolean) OVER () AS total,
    format('%s %s: %s: wanted %s at %s (net %s) %s, observed %s at %s (net %s) %s', name, listing_ref,
        coalesce('pending, ' || pending, 'settled'),
        coalesce(wanted_quantity::text, '-'), coalesce(wanted_price_minor::text, '-'),
        coalesce(wanted_net_minor::text, '-'), CASE WHEN wanted_on THEN 'on' ELSE 'off' END,
        coalesce(observed_quantity::text, '-'), coalesce(observed_price_minor::text, '-'),
        coalesce(observed_net_minor::text, '-'), CASE WHEN observed_on THEN 'on' ELSE 'off' END) AS what
FROM shown
WHERE pending IS NOT NULL OR NOT agrees
ORDER BY pending IS NOT NULL, listing_id
LIMIT 20

-- name: promises_out_of_bound
SELECT count(*) OVER () AS total,
    format('promise %s of listing %s: %s of %s available, bound %s', promise_id, listing_id, promised_total,
        available, bound_permille) AS what
FROM promise
WHERE quantity > before_quantity AND promised_total::bigint * 1000 > available::bigint * bound_permille
LIMIT 20

-- name: stock_overpromised
-- What all channels show of a SKU whose offers are settled, against the codes that can be sold. $1: now,
-- $2: bound_permille.
WITH unread AS (
    SELECT DISTINCT channel.channel_id, stock_mark.sku_id
    FROM channel
    CROSS JOIN (SELECT DISTINCT lane FROM sku) lanes
    LEFT JOIN channel_cursor ON channel_cursor.channel_id = channel.channel_id
        AND channel_cursor.subject = 'marks.' || lanes.lane
    JOIN stock_mark ON stock_mark.lane = lanes.lane
        AND stock_mark.mark_id > coalesce(channel_cursor.position::bigint, 0)
),
shown AS (
    SELECT listing.sku_id, sum(offer.published_quantity) FILTER (WHERE offer.published_on) AS promised
    FROM offer
    JOIN listing ON listing.listing_id = offer.listing_id
    LEFT JOIN unread ON unread.channel_id = listing.channel_id AND unread.sku_id = listing.sku_id
    GROUP BY listing.sku_id
    HAVING bool_and(
        offer.dirty_version = offer.acked_version
        AND unread.sku_id IS NULL
        AND offer.telling_quantity IS NULL
        AND offer.doubt_quantity IS NULL
        AND offer.refusal IS NULL
    )
),
free AS (
    SELECT shelf.sku_id, count(*) AS codes
    FROM code
    JOIN shelf ON shelf.lane = code.lane AND shelf.shelf_id = code.shelf_id
    WHERE shelf.expires_at > $1::timestamptz
        AND NOT EXISTS (
            SELECT FROM allocation
            WHERE allocation.lane = code.lane
                AND allocation.shelf_id = code.shelf_id
                AND allocation.slot = code.slot
        )
        AND NOT EXISTS (
            SELECT FROM departure
            WHERE departure.lane = code.lane
                AND departure.shelf_id = code.shelf_id
                AND departure.slot = code.slot
        )
    GROUP BY shelf.sku_id
)
SELECT count(*) OVER () AS total,
    format('SKU %s: channels show %s, %s codes are available, bound %s', sku.sku_ref, shown.promised,
        coalesce(free.codes, 0), $2::int) AS what
FROM shown
JOIN sku ON sku.sku_id = shown.sku_id
LEFT JOIN free ON free.sku_id = shown.sku_id
WHERE shown.promised * 1000 > coalesce(free.codes, 0) * $2::bigint
LIMIT 20

-- name: seals_malformed
-- Anything shorter cannot have been sealed: a nonce and a tag alone are 28 bytes, a wrapped key is 60.
WITH suspect AS (
    SELECT format('code %s.%s.%s is not sealed', lane, shelf_id, slot) AS what
    FROM code
    WHERE octet_length(sealed) <= 28
    UNION ALL
    SELECT format('code %s.%s.%s has a fingerprint of %s bytes', lane, shelf_id, slot, octet_length(fingerprint))
    FROM code
    WHERE octet_length(fingerprint) <> 32
    UNION ALL
    SELECT format('the key of batch %s is not wrapped', batch_id) FROM batch WHERE octet_length(wrapped_key) <> 60
    UNION ALL
    SELECT format('vault secret %s is not wrapped', name) FROM vault_secret WHERE octet_length(wrapped) <> 60
)
SELECT count(*) OVER () AS total, what FROM suspect LIMIT 20

-- name: statements_apart
-- A channel's balance is the sum of the lines that were judged, its discrepancy account the negative of what is left
-- open, and what was matched of a due is not more than it; a line without a verdict waits for one.
WITH judged AS (
    SELECT channel.name AS channel, payout_line.currency, sum(payout_line.amount_minor) AS told_minor
    FROM line_verdict
    JOIN payout_line ON payout_line.channel_id = line_verdict.channel_id
        AND payout_line.line_ref = line_verdict.line_ref
    JOIN channel ON channel.channel_id = line_verdict.channel_id
    GROUP BY channel.name, payout_line.currency
),
left_open AS (
    SELECT channel.name AS channel, discrepancy.currency, sum(discrepancy.left_minor) AS left_minor
    FROM discrepancy
    JOIN channel ON channel.channel_id = discrepancy.channel_id
    GROUP BY channel.name, discrepancy.currency
),
standing AS (
    SELECT account.party_name AS channel, account.currency, account.purpose, sum(entry.amount_minor) AS amount_minor
    FROM account
    JOIN entry ON entry.account_id = account.account_id
    WHERE account.party = 'channel' AND account.purpose IN ('balance', 'discrepancy')
    GROUP BY account.party_name, account.currency, account.purpose
),
wrong AS (
    SELECT format('channel %s: its lines come to %s %s, its balance to %s', coalesce(judged.channel, standing.channel),
        coalesce(judged.told_minor, 0), coalesce(judged.currency, standing.currency),
        coalesce(standing.amount_minor, 0)) AS what
    FROM judged
    FULL JOIN (SELECT * FROM standing WHERE purpose = 'balance') standing
        ON standing.channel = judged.channel AND standing.currency = judged.currency
    WHERE coalesce(judged.told_minor, 0) <> coalesce(standing.amount_minor, 0)
    UNION ALL
    SELECT format('channel %s: discrepancies of %s %s are open, its account says %s',
        coalesce(left_open.channel, standing.channel), coalesce(left_open.left_minor, 0),
        coalesce(left_open.currency, standing.currency), -coalesce(standing.amount_minor, 0))
    FROM left_open
    FULL JOIN (SELECT * FROM standing WHERE purpose = 'discrepancy') standing
        ON standing.channel = left_open.channel AND standing.currency = left_open.currency
    WHERE coalesce(left_open.left_minor, 0) <> -coalesce(standing.amount_minor, 0)
    UNION ALL
    SELECT format('due %s of %s was matched with %s', due.due_id, due.amount_minor, sum(clearing.amount_minor))
    FROM clearing
    JOIN due ON due.due_id = clearing.due_id
    GROUP BY due.due_id
    HAVING abs(sum(clearing.amount_minor)) > abs(due.amount_minor)
    UNION ALL
    SELECT format('line %s of channel %s has no verdict and does not wait for one', payout_line.line_ref,
        payout_line.channel_id)
    FROM payout_line
    WHERE NOT EXISTS (
            SELECT FROM line_verdict
            WHERE line_verdict.channel_id = payout_line.channel_id AND line_verdict.line_ref = payout_line.line_ref
        )
        AND NOT EXISTS (
            SELECT FROM line_waiting
            WHERE line_waiting.channel_id = payout_line.channel_id AND line_waiting.line_ref = payout_line.line_ref
        )
)
SELECT count(*) OVER () AS total, what FROM wrong LIMIT 20
