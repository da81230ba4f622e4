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
