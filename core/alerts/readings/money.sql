-- Money as alerts measure it.
-- Each query answers with every subject there is, well or not: what is not answered is gone.

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
