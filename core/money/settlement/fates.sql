-- What became of each code of a consignor's, as of a moment. Only rows that never change are read, so it is told the
-- same whenever it is asked.

-- name: hold_to_lookups
-- What was never analyzed looks small to the planner; a consignor's codes are a short stretch of large tables.
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
    set_config('enable_mergejoin', 'off', true)

-- name: fates
-- By batch and place. With a beginning: without those whose end was told before it. Shares are of the whole line, with
-- the code's place among those of the consignor on it.
WITH received AS (
    SELECT code.lane, code.shelf_id, code.slot, code.batch_id, code.fingerprint, batch.created_at, shelf.expires_at,
        shelf.consignor_id, shelf.sku_id
    FROM consignor
    JOIN shelf ON shelf.consignor_id = consignor.consignor_id
    JOIN code ON code.lane = shelf.lane AND code.shelf_id = shelf.shelf_id AND code.origin_slot IS NULL
    JOIN batch ON batch.batch_id = code.batch_id AND batch.created_at < $2::timestamptz
    WHERE consignor.name = $1::text
),
-- Where it stood last: a code that was given back stands again at a later place.
standing AS (
    SELECT received.*, place.slot AS stands
    FROM received
    CROSS JOIN LATERAL (
        SELECT each.slot
        FROM (
            SELECT received.slot
            UNION ALL
            SELECT code.slot
            FROM code
            WHERE code.lane = received.lane
                AND code.shelf_id = received.shelf_id
                AND code.origin_slot = received.slot
                AND code.origin_slot IS NOT NULL
        ) each
        WHERE NOT EXISTS (
            SELECT FROM departure
            WHERE departure.lane = received.lane
                AND departure.shelf_id = received.shelf_id
                AND departure.slot = each.slot
                AND departure.kind = 'released'
                AND departure.departed_at < $2::timestamptz
        )
        ORDER BY each.slot
        LIMIT 1
    ) place
),
told AS (
    SELECT standing.*, allocation.order_id, allocation.line_no, departure.kind AS departed, departure.departed_at,
        bad.slot IS NOT NULL AS replaced, given.slot IS NOT NULL AS given, taken.order_id IS NOT NULL AS taken,
        (
            SELECT moved_at FROM order_move
            WHERE order_move.order_id = taken.order_id AND to_state = 'delivered' AND moved_at < $2::timestamptz
            LIMIT 1
        ) AS delivered_at,
        (
            SELECT moved_at FROM order_move
            WHERE order_move.order_id = taken.order_id AND to_state = 'refunded' AND moved_at < $2::timestamptz
            LIMIT 1
        ) AS refunded_at
    FROM standing
    LEFT JOIN departure ON departure.lane = standing.lane
        AND departure.shelf_id = standing.shelf_id
        AND departure.slot = standing.stands
        AND departure.kind <> 'released'
        AND departure.departed_at < $2::timestamptz
    LEFT JOIN allocation ON allocation.lane = standing.lane
        AND allocation.shelf_id = standing.shelf_id
        AND allocation.slot = standing.stands
    LEFT JOIN channel_order taken ON taken.order_id = allocation.order_id AND taken.created_at < $2::timestamptz
    LEFT JOIN replacement bad ON bad.bad_lane = standing.lane
        AND bad.bad_shelf_id = standing.shelf_id
        AND bad.bad_slot = standing.stands
        AND bad.replaced_at < $2::timestamptz
    LEFT JOIN replacement given ON given.lane = standing.lane
        AND given.shelf_id = standing.shelf_id
        AND given.slot = standing.stands
),
judged AS (
    SELECT told.*,
        CASE
            WHEN departed = 'withdrawn' THEN 'withdrawn'
            WHEN departed IS NOT NULL AND replaced THEN 'replaced'
            WHEN departed IS NOT NULL THEN 'quarantined'
            WHEN refunded_at IS NOT NULL THEN 'refunded'
            WHEN delivered_at IS NOT NULL AND given THEN 'given'
            WHEN delivered_at IS NOT NULL THEN 'sold'
            WHEN taken THEN 'on order'
            WHEN expires_at <= $2::timestamptz THEN 'expired'
            ELSE 'in stock'
        END AS fate,
        CASE
            WHEN departed IS NOT NULL THEN departed_at
            WHEN refunded_at IS NOT NULL THEN refunded_at
            WHEN delivered_at IS NOT NULL THEN delivered_at
            WHEN NOT taken AND expires_at <= $2::timestamptz THEN expires_at
        END AS fated_at
    FROM told
)
SELECT judged.batch_id, sku.sku_ref, judged.lane, judged.shelf_id, judged.slot, judged.created_at AS received_at,
    left(encode(judged.fingerprint, 'hex'), 8) AS mark, judged.fate, judged.fated_at, channel.name AS channel,
    channel_order.order_ref, order_line.unit_price_minor, channel_order.currency,
    split.share_minor, split.codes, split.rank
FROM judged
JOIN sku ON sku.sku_id = judged.sku_id
LEFT JOIN channel_order ON channel_order.order_id = judged.order_id AND judged.taken
LEFT JOIN channel ON channel.channel_id = channel_order.channel_id
LEFT JOIN order_line ON order_line.order_id = judged.order_id AND order_line.line_no = judged.line_no AND judged.taken
LEFT JOIN LATERAL (
    SELECT (
            SELECT -sum(entry.amount_minor)::bigint
            FROM journal_transaction sale
            JOIN entry ON entry.transaction_id = sale.transaction_id
            JOIN account ON account.account_id = entry.account_id
            WHERE sale.order_id = judged.order_id
                AND sale.line_no = judged.line_no
                AND sale.kind = 'sale'
                AND account.party = 'consignor'
                AND account.party_name = $1::text
                AND account.purpose IN ('payable', 'held')
        ) AS share_minor,
        count(*)::int AS codes,
        (count(*) FILTER (
            WHERE (mate.lane, mate.shelf_id, mate.slot) < (judged.lane, judged.shelf_id, judged.stands)
        ))::int AS rank
    FROM allocation mate
    JOIN shelf ON shelf.lane = mate.lane AND shelf.shelf_id = mate.shelf_id AND shelf.consignor_id = judged.consignor_id
    WHERE mate.order_id = judged.order_id
        AND mate.line_no = judged.line_no
        AND NOT EXISTS (
            SELECT FROM replacement
            WHERE replacement.lane = mate.lane AND replacement.shelf_id = mate.shelf_id AND replacement.slot = mate.slot
        )
        AND NOT EXISTS (
            SELECT FROM departure
            WHERE departure.lane = mate.lane
                AND departure.shelf_id = mate.shelf_id
                AND departure.slot = mate.slot
                AND departure.kind = 'released'
        )
) split ON judged.fate IN ('sold', 'replaced', 'quarantined')
ORDER BY judged.batch_id, judged.lane, judged.shelf_id, judged.slot
