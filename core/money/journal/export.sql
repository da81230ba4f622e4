-- What accountants are handed, at one moment of the database.

-- name: accounts
SELECT account_id, party, party_name, purpose, currency FROM account ORDER BY account_id

-- name: period_entries
-- In an order that is the same at every export: by the moment posted, then by number.
SELECT posted.transaction_id, posted.posted_at, posted.kind, posted.order_id, posted.line_no, posted.plan_id,
    posted.reverses_id, channel.name AS channel, channel_order.order_ref, entry.entry_no, entry.account_id,
    entry.amount_minor
FROM journal_transaction posted
JOIN entry ON entry.transaction_id = posted.transaction_id
LEFT JOIN channel_order ON channel_order.order_id = posted.order_id
LEFT JOIN channel ON channel.channel_id = channel_order.channel_id
WHERE posted.posted_at >= $1::timestamptz AND posted.posted_at < $2::timestamptz
ORDER BY posted.posted_at, posted.transaction_id, entry.entry_no

-- name: period_rates
SELECT journal_rate.transaction_id, journal_rate.role, journal_rate.base, journal_rate.quote, journal_rate.numerator,
    journal_rate.denominator, journal_rate.source, journal_rate.valid_at
FROM journal_rate
JOIN journal_transaction posted ON posted.transaction_id = journal_rate.transaction_id
WHERE posted.posted_at >= $1::timestamptz AND posted.posted_at < $2::timestamptz
ORDER BY journal_rate.transaction_id, journal_rate.role
