-- What the journal's books say: read from the totals that sealing keeps and from what is not sealed yet.

-- name: balances
-- As many rows as accounts have months, and a few seconds of entries, however long the journal is. Accounts that were
-- never posted to are left out.
SELECT account.party, account.party_name, account.purpose, account.currency, posted.balance_minor, posted.entries
FROM (
    SELECT account_id, sum(debit_minor - credit_minor)::bigint AS balance_minor, sum(entries)::bigint AS entries
    FROM (
        SELECT account_id, debit_minor, credit_minor, entries FROM account_total
        UNION ALL
        SELECT account_id, debit_minor, credit_minor, entries FROM journal_tail()
    ) part
    GROUP BY account_id
) posted
JOIN account ON account.account_id = posted.account_id
ORDER BY account.currency, account.party, account.party_name, account.purpose

-- name: trial_balance
-- Of a month ($1: its first day): what stood on each account before it, what was posted in it, what stood after it.
SELECT account.account_id, account.party, account.party_name, account.purpose, account.currency,
    posted.opening_minor, posted.debit_minor, posted.credit_minor,
    posted.opening_minor + posted.debit_minor - posted.credit_minor AS closing_minor, posted.entries
FROM (
    SELECT account_id,
        coalesce(sum(debit_minor - credit_minor) FILTER (WHERE period < $1::date), 0)::bigint AS opening_minor,
        coalesce(sum(debit_minor) FILTER (WHERE period = $1::date), 0)::bigint AS debit_minor,
        coalesce(sum(credit_minor) FILTER (WHERE period = $1::date), 0)::bigint AS credit_minor,
        coalesce(sum(entries) FILTER (WHERE period = $1::date), 0)::bigint AS entries
    FROM (
        SELECT account_id, period, debit_minor, credit_minor, entries FROM account_total
        UNION ALL
        SELECT account_id, period, debit_minor, credit_minor, entries FROM journal_tail()
    ) part
    WHERE period <= $1::date
    GROUP BY account_id
) posted
JOIN account ON account.account_id = posted.account_id
WHERE posted.opening_minor <> 0 OR posted.entries > 0
ORDER BY account.currency, account.party, account.party_name, account.purpose

-- name: unsealed
-- What was written after the last sweep, and how long ago the oldest of it was posted.
SELECT count(*) AS transactions, min(posted.posted_at) AS since
FROM journal_seal
JOIN journal_transaction posted ON posted.written_in >= journal_seal.written_in
    AND (posted.written_in, posted.transaction_id) > (journal_seal.written_in, journal_seal.transaction_id)

-- name: period_changes
SELECT change_no, closed_until, at, actor, reason FROM period_change ORDER BY change_no DESC LIMIT 200
