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

-- name: unsealed
-- What was written after the last sweep, and how long ago the oldest of it was posted.
SELECT count(*) AS transactions, min(posted.posted_at) AS since
FROM journal_seal
JOIN journal_transaction posted ON posted.written_in >= journal_seal.written_in
    AND (posted.written_in, posted.transaction_id) > (journal_seal.written_in, journal_seal.transaction_id)

-- name: period_changes
SELECT change_no, closed_until, at, actor, reason FROM period_change ORDER BY change_no DESC LIMIT 200
