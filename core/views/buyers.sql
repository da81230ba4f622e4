-- name: balances_of_names
-- What stands on the journal's accounts of these names, as buyers and as referrers; debit positive.
SELECT account.party, account.party_name, account.purpose, account.currency, posted.balance_minor, posted.entries
FROM (
    SELECT account_id, sum(debit_minor - credit_minor)::bigint AS balance_minor, sum(entries)::bigint AS entries
    FROM (
        SELECT account_id, debit_minor, credit_minor, entries FROM account_total
        UNION ALL
        SELECT account_id, debit_minor, credit_minor, entries FROM journal_tail()
    ) part
    WHERE account_id IN (
        SELECT account.account_id
        FROM account
        WHERE account.party IN ('buyer', 'referrer') AND account.party_name = ANY ($1::text[])
    )
    GROUP BY account_id
) posted
JOIN account ON account.account_id = posted.account_id
WHERE posted.balance_minor <> 0
ORDER BY account.party_name, account.party, account.purpose, account.currency

-- name: count_marks
SELECT mark.kind, count(DISTINCT mark.hash)::int AS marks
FROM names_of(person_of($1::bigint)) name
JOIN buyer_mark mark ON mark.buyer_id = name.buyer_id
GROUP BY mark.kind
ORDER BY mark.kind
