-- What alerts measure. Each query answers with every subject there is, well or not: what is not answered is gone.

-- name: stock
-- Free codes of every listed SKU. Counting goes by slot numbers, so it costs the same for any stock.
SELECT sku.sku_id, sku.sku_ref, sku.title, sku.tags, listed.channels, coalesce(free.codes, 0)::bigint AS codes
FROM sku
JOIN (
    SELECT listing.sku_id, array_agg(DISTINCT channel.name) AS channels
    FROM listing
    JOIN channel ON channel.channel_id = listing.channel_id
    WHERE listing.enabled
    GROUP BY listing.sku_id
) listed ON listed.sku_id = sku.sku_id
LEFT JOIN (
    SELECT sku_id, sum(free) AS codes
    FROM stock_of_house()
    WHERE expires_at > $1::timestamptz
    GROUP BY sku_id
) free ON free.sku_id = sku.sku_id
ORDER BY sku.sku_ref

-- name: expiring
-- Free codes that end within $2 from now, of every SKU that has any shelf.
SELECT sku.sku_ref, sku.title, sku.tags,
    coalesce(listed.channels, '{}') AS channels, ending.codes, ending.first_at
FROM sku
JOIN (
    SELECT sku_id,
        coalesce(sum(free) FILTER (WHERE expires_at <= $1::timestamptz + $2::interval), 0)::bigint
            AS codes,
        min(expires_at) FILTER (
            WHERE expires_at <= $1::timestamptz + $2::interval AND free > 0
        ) AS first_at
    FROM stock_of_house()
    WHERE expires_at > $1::timestamptz
    GROUP BY sku_id
) ending ON ending.sku_id = sku.sku_id
LEFT JOIN (
    SELECT listing.sku_id, array_agg(DISTINCT channel.name) AS channels
    FROM listing
    JOIN channel ON channel.channel_id = listing.channel_id
    WHERE listing.enabled
    GROUP BY listing.sku_id
) listed ON listed.sku_id = sku.sku_id
ORDER BY sku.sku_ref

-- name: channel_names
SELECT channel_id, name FROM channel ORDER BY name

-- name: deliveries
-- Of the newest orders: how many were being delivered in the window, and how many of those failed or are in doubt.
-- Order ids rise with time but for the blocks that daemons hand them out from, so the newest come first.
WITH newest AS MATERIALIZED (
    SELECT channel_order.order_id, channel_order.channel_id
    FROM channel_order
    ORDER BY channel_order.order_id DESC
    LIMIT 20000
),
outcome AS (
    SELECT newest.channel_id, newest.order_id,
        bool_or(order_move.to_state = 'unsure' OR (
            order_move.to_state = 'cancelled' AND order_move.from_state IN ('delivering', 'unsure')
        )) AS failed
    FROM newest
    JOIN order_move ON order_move.order_id = newest.order_id
    WHERE order_move.moved_at > $1::timestamptz - $2::interval
        AND (order_move.from_state IN ('delivering', 'unsure') OR order_move.to_state = 'unsure')
    GROUP BY newest.channel_id, newest.order_id
)
SELECT channel.name AS channel, count(outcome.order_id)::bigint AS attempts,
    count(outcome.order_id) FILTER (WHERE outcome.failed)::bigint AS failures
FROM channel
LEFT JOIN outcome ON outcome.channel_id = channel.channel_id
GROUP BY channel.name
ORDER BY channel.name

-- name: refused
-- Reservations that were refused for want of codes, among the newest orders.
WITH newest AS MATERIALIZED (
    SELECT channel_order.channel_id, channel_order.first_state, channel_order.created_at
    FROM channel_order
    ORDER BY channel_order.order_id DESC
    LIMIT 20000
)
SELECT channel.name AS channel, count(newest.channel_id) FILTER (WHERE newest.first_state = 'refused')::bigint AS refused,
    count(newest.channel_id)::bigint AS asked
FROM channel
LEFT JOIN newest ON newest.channel_id = channel.channel_id AND newest.created_at > $1::timestamptz - $2::interval
GROUP BY channel.name
ORDER BY channel.name

-- name: open_orders
-- Of the orders that have not ended: those overdue for longer than $2, those that wait for a person since longer
-- than $2, and those that were paid for and have no codes.
WITH waiting AS (
    SELECT open_order.channel_id, order_now.order_ref, open_order.due_at, order_now.state,
        order_now.state_since AS since
    FROM open_order
    JOIN order_now ON order_now.order_id = open_order.order_id
),
judged AS (
    SELECT waiting.*,
        waiting.state <> 'held' AND waiting.due_at < $1::timestamptz - $2::interval
            AND waiting.since < $1::timestamptz - $2::interval AS stuck,
        -- One that has a seat waits for its group, not for a person.
        waiting.state = 'held' AND waiting.since < $1::timestamptz - $2::interval
            AND NOT EXISTS (
                SELECT FROM group_seat
                WHERE group_seat.channel_id = waiting.channel_id
                    AND group_seat.order_ref = waiting.order_ref
                    AND group_seat.state IN ('waiting', 'seated')
            ) AS held,
        waiting.state = 'parked' AS without_codes
    FROM waiting
)
SELECT channel.name AS channel,
    count(judged.channel_id) FILTER (WHERE judged.stuck)::bigint AS stuck,
    count(judged.channel_id) FILTER (WHERE judged.held)::bigint AS held,
    count(judged.channel_id) FILTER (WHERE judged.without_codes)::bigint AS without_codes,
    (array_agg(judged.order_ref ORDER BY judged.since) FILTER (WHERE judged.stuck))[1] AS first_stuck,
    (array_agg(judged.order_ref ORDER BY judged.since) FILTER (WHERE judged.held))[1] AS first_held,
    (array_agg(judged.order_ref ORDER BY judged.since) FILTER (WHERE judged.without_codes))[1] AS first_without_codes
FROM channel
LEFT JOIN judged ON judged.channel_id = channel.channel_id
GROUP BY channel.name
ORDER BY channel.name

-- name: refunds_owed
-- Orders that have ended while their channel did not give the money back.
SELECT channel.name AS channel, count(owed.order_ref)::bigint AS owed, min(owed.decided_at) AS first_at,
    (array_agg(owed.order_ref ORDER BY owed.decided_at) FILTER (WHERE owed.order_ref IS NOT NULL))[1] AS first_ref
FROM channel
LEFT JOIN (
    SELECT refund_due.channel_id, refund_due.order_ref, refund_due.decided_at
    FROM refund_due
    JOIN order_now ON order_now.channel_id = refund_due.channel_id
        AND order_now.order_ref = refund_due.order_ref
    WHERE refund_due.settled_at IS NULL AND order_now.state = 'cancelled' AND order_now.move_no > 0
) owed ON owed.channel_id = channel.channel_id
GROUP BY channel.name
ORDER BY channel.name

-- name: imbalance
-- Transactions among the newest whose entries do not sum to zero. The schema refuses them; this is the second look.
WITH newest AS MATERIALIZED (
    SELECT journal_transaction.transaction_id
    FROM journal_transaction
    ORDER BY journal_transaction.transaction_id DESC
    LIMIT 20000
),
off AS (
    SELECT entry.transaction_id
    FROM newest
    JOIN entry ON entry.transaction_id = newest.transaction_id
    LEFT JOIN account ON account.account_id = entry.account_id
    GROUP BY entry.transaction_id, account.currency
    HAVING sum(entry.amount_minor) <> 0 OR account.currency IS NULL
)
SELECT count(DISTINCT off.transaction_id)::bigint AS transactions, min(off.transaction_id) AS first_id FROM off

-- name: channels_down
-- For how long the worst side of a channel has failed, or nobody has driven it; only channels that are to be driven.
SELECT channel.name AS channel, ill.subject, ill.detail,
    greatest(
        coalesce(extract(epoch FROM $1::timestamptz - ill.since), 0),
        coalesce(extract(epoch FROM $1::timestamptz - lease.expires_at), 0),
        0
    )::float8 AS seconds,
    lease.expires_at <= $1::timestamptz AS undriven
FROM channel
LEFT JOIN lease ON lease.channel_id = channel.channel_id
LEFT JOIN LATERAL (
    SELECT channel_health.subject, channel_health.detail, channel_health.changed_at AS since
    FROM channel_health
    WHERE channel_health.channel_id = channel.channel_id AND NOT channel_health.ok
    ORDER BY channel_health.changed_at
    LIMIT 1
) ill ON true
WHERE channel.name = ANY ($2::text[])
ORDER BY channel.name

-- name: discrepancies
-- What channels tell otherwise than we do, and nobody settled, nor a late line, for longer than $2.
SELECT channel.name AS channel, count(discrepancy.discrepancy_id)::bigint AS open,
    min(discrepancy.opened_at) AS first_at
FROM channel
LEFT JOIN discrepancy ON discrepancy.channel_id = channel.channel_id
    AND discrepancy.state = 'open'
    AND discrepancy.opened_at <= $1::timestamptz - $2::interval
GROUP BY channel.name
ORDER BY channel.name

-- name: splits_owed
-- Delivered orders whose money could not be split for longer than $2, and why the first of them could not.
SELECT channel.name AS channel, coalesce(waiting.owed, 0) AS owed, waiting.first_at,
    extract(EPOCH FROM $1::timestamptz - waiting.first_at)::float8 AS oldest_seconds, channel_order.order_ref AS first_ref,
    waiting.why
FROM channel
LEFT JOIN (
    SELECT DISTINCT ON (split_owed.channel_id) split_owed.channel_id, split_owed.order_id, split_owed.why,
        split_owed.since AS first_at, count(*) OVER (PARTITION BY split_owed.channel_id) AS owed
    FROM split_owed
    WHERE split_owed.settled_at IS NULL AND split_owed.since <= $1::timestamptz - $2::interval
    ORDER BY split_owed.channel_id, split_owed.since, split_owed.order_id
) waiting ON waiting.channel_id = channel.channel_id
LEFT JOIN channel_order ON channel_order.order_id = waiting.order_id
ORDER BY channel.name

-- name: settlements_waiting
-- Settlements that were drawn up before $2 ago and are not paid: nobody approved them, or nobody paid.
SELECT count(*) AS waiting, min(settlement_id) AS first_id, min(drawn_at) AS first_at
FROM settlement
WHERE state IN ('draft', 'approved') AND drawn_at <= $1::timestamptz - $2::interval

-- name: rewards_warned
-- Rewards that a guard let pass with a warning since $2 ago, and what it said of the last.
SELECT count(*) AS warned, (array_agg(
    'campaign ' || campaign_grant.name || ', order ' || campaign_grant.order_id || ': ' || campaign_grant.warning
    ORDER BY campaign_grant.grant_id DESC
))[1] AS why
FROM campaign
JOIN campaign_grant ON campaign_grant.name = campaign.name
    AND campaign_grant.granted_at > $1::timestamptz - $2::interval
    AND campaign_grant.warning <> ''

-- name: payouts
-- Days since the oldest sale was told that neither payouts nor fees and refunds have used up, the oldest first.
-- Only where a channel tells lines at all; a payout of a little does not settle what is left.
WITH paid AS (
    SELECT channel_id, currency,
        -coalesce(sum(amount_minor) FILTER (WHERE kind = 'withdrawal'), 0) AS paid_minor,
        coalesce(sum(amount_minor) FILTER (WHERE kind <> 'withdrawal' AND amount_minor < 0), 0) AS taken_minor,
        max(booked_at) FILTER (WHERE kind = 'withdrawal') AS last_paid_at
    FROM payout_line
    GROUP BY channel_id, currency
),
income AS (
    SELECT channel_id, currency, booked_at,
        sum(amount_minor) OVER (PARTITION BY channel_id, currency ORDER BY booked_at, line_ref) AS so_far_minor
    FROM payout_line
    WHERE kind <> 'withdrawal' AND amount_minor > 0
),
owed AS (
    SELECT paid.channel_id, max(paid.last_paid_at) AS last_paid_at, min(income.booked_at) AS first_owed_at
    FROM paid
    LEFT JOIN income ON income.channel_id = paid.channel_id
        AND income.currency = paid.currency
        AND income.so_far_minor > paid.paid_minor - paid.taken_minor
    GROUP BY paid.channel_id
)
SELECT channel.name AS channel, owed.last_paid_at, owed.first_owed_at,
    coalesce(extract(epoch FROM $1::timestamptz - owed.first_owed_at) / 86400, 0)::float8 AS days
FROM channel
JOIN owed ON owed.channel_id = channel.channel_id
ORDER BY channel.name

-- name: drifts
-- Listings of each channel that showed something within $2 which nobody there or here had meant.
SELECT channel.name AS channel, count(DISTINCT drift.listing_ref)::bigint AS drifted,
    count(DISTINCT drift.listing_ref) FILTER (WHERE drift.asks AND drift.decision IS NULL)::bigint AS asking,
    (array_agg(drift.listing_ref ORDER BY drift.last_seen_at DESC) FILTER (WHERE drift.drift_id IS NOT NULL))[1]
        AS last_ref
FROM channel
LEFT JOIN drift ON drift.channel_id = channel.channel_id
    AND drift.last_seen_at > $1::timestamptz - $2::interval
    AND drift.action <> 'leave'
GROUP BY channel.name
ORDER BY channel.name

-- name: provides
-- What channels asked codes of us for, and how often they got none; a failure that was mended counts as done.
SELECT channel.name AS channel, count(guard_outcome.channel_id)::bigint AS attempts,
    count(guard_outcome.channel_id) FILTER (WHERE NOT guard_outcome.ok)::bigint AS failures
FROM channel
LEFT JOIN guard_outcome ON guard_outcome.channel_id = channel.channel_id
    AND guard_outcome.asked = 'provide'
    AND guard_outcome.at > $1::timestamptz - $2::interval
GROUP BY channel.name
ORDER BY channel.name

-- name: guards
-- How much of each channel the guard keeps closed: listings, or all of it.
SELECT channel.name AS channel, count(guard_trip.trip_id)::bigint AS closed,
    (array_agg(guard_trip.why ORDER BY guard_trip.listing_id IS NOT NULL, guard_trip.closed_at)
        FILTER (WHERE guard_trip.trip_id IS NOT NULL))[1] AS why
FROM channel
LEFT JOIN guard_trip ON guard_trip.channel_id = channel.channel_id AND guard_trip.opened_at IS NULL
GROUP BY channel.name
ORDER BY channel.name

-- name: prices_held
-- Prices that wait for a person, by channel.
SELECT channel.name AS channel, count(price_hold.hold_id)::bigint AS held, min(price_hold.asked_at) AS first_at
FROM channel
LEFT JOIN listing ON listing.channel_id = channel.channel_id
LEFT JOIN price_hold ON price_hold.listing_id = listing.listing_id AND price_hold.verdict IS NULL
GROUP BY channel.name
ORDER BY channel.name

-- name: rates
-- How old the latest rate of each pair is whose currencies are both in use; others may age in peace.
WITH used AS (
    SELECT currency FROM channel
    UNION
    SELECT currency FROM sku_price
    UNION
    SELECT currency FROM batch WHERE currency IS NOT NULL
)
SELECT latest.base, latest.quote, latest.source, latest.valid_at,
    extract(epoch FROM $1::timestamptz - latest.valid_at)::float8 AS seconds
FROM (
    SELECT DISTINCT ON (rate.base, rate.quote) rate.base, rate.quote, rate.source, rate.valid_at
    FROM rate
    WHERE rate.base IN (SELECT currency FROM used) AND rate.quote IN (SELECT currency FROM used)
    ORDER BY rate.base, rate.quote, rate.valid_at DESC, rate.rate_id DESC
) latest
ORDER BY latest.base, latest.quote
