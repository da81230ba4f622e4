-- Who has what, from the totals that sealing keeps and from what is not sealed yet: never from the entries themselves.

-- name: standing
-- By party, name and purpose: before a month ($1: its first day; none: of all time), in it, and after it. Buyers, of
-- whom there may be as many as sales, come as one.
SELECT account.party, CASE WHEN account.party = 'buyer' THEN '' ELSE account.party_name END AS party_name,
    account.purpose, account.currency, count(*)::bigint AS accounts,
    sum(posted.opening_minor)::bigint AS opening_minor, sum(posted.debit_minor)::bigint AS debit_minor,
    sum(posted.credit_minor)::bigint AS credit_minor,
    sum(posted.opening_minor + posted.debit_minor - posted.credit_minor)::bigint AS closing_minor
FROM (
    SELECT account_id,
        coalesce(sum(debit_minor - credit_minor) FILTER (WHERE period < $1::date), 0) AS opening_minor,
        coalesce(sum(debit_minor) FILTER (WHERE $1::date IS NULL OR period = $1::date), 0) AS debit_minor,
        coalesce(sum(credit_minor) FILTER (WHERE $1::date IS NULL OR period = $1::date), 0) AS credit_minor
    FROM (
        SELECT account_id, period, debit_minor, credit_minor FROM account_total
        UNION ALL
        SELECT account_id, period, debit_minor, credit_minor FROM journal_tail()
    ) part
    WHERE $1::date IS NULL OR period <= $1::date
    GROUP BY account_id
) posted
JOIN account ON account.account_id = posted.account_id
GROUP BY account.party, CASE WHEN account.party = 'buyer' THEN '' ELSE account.party_name END, account.purpose,
    account.currency
ORDER BY account.currency, account.party, 2, account.purpose

-- name: months
-- The months in which anything was posted, the newest first.
SELECT period FROM account_total
UNION
SELECT period FROM journal_tail()
ORDER BY period DESC
LIMIT 120

-- name: paid
-- What settlements paid each payee in a month ($1 to $2; none: ever), in the currency that was owed; what is kept in
-- reserve of them is not paid. Read from payments, which are few, and never from what they paid.
SELECT account.party, account.party_name, account.currency,
    sum(settlement.lines_minor - settlement.reserve_minor)::bigint AS amount_minor
FROM settlement_payment payment
JOIN settlement ON settlement.settlement_id = payment.settlement_id
JOIN account ON account.account_id = settlement.account_id
WHERE $1::timestamptz IS NULL OR (payment.paid_on >= $1::timestamptz AND payment.paid_on < $2::timestamptz)
GROUP BY account.party, account.party_name, account.currency
ORDER BY account.currency, account.party, account.party_name

-- name: channel_flows
-- What the orders of each channel moved on each party's accounts from $1 to $2: sales, and all that came of them.
-- This alone reads entries, those of the time asked for.
WITH posted AS MATERIALIZED (
    SELECT journal_transaction.transaction_id, channel_order.channel_id
    FROM journal_transaction
    JOIN channel_order ON channel_order.order_id = journal_transaction.order_id
    WHERE journal_transaction.posted_at >= $1::timestamptz AND journal_transaction.posted_at < $2::timestamptz
),
moved AS (
    SELECT posted.channel_id, entry.account_id, sum(entry.amount_minor) AS amount_minor
    FROM posted
    JOIN entry ON entry.transaction_id = posted.transaction_id
    GROUP BY posted.channel_id, entry.account_id
)
SELECT channel.name AS channel, account.party,
    CASE WHEN account.party = 'buyer' THEN '' ELSE account.party_name END AS party_name, account.purpose,
    account.currency, sum(moved.amount_minor)::bigint AS amount_minor
FROM moved
JOIN channel ON channel.channel_id = moved.channel_id
JOIN account ON account.account_id = moved.account_id
GROUP BY channel.name, account.party, CASE WHEN account.party = 'buyer' THEN '' ELSE account.party_name END,
    account.purpose, account.currency
ORDER BY account.currency, account.party, 3, channel.name
