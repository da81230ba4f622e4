-- What people see of all payees. Amounts are what we owe the payee: above zero is theirs.

-- name: runs
SELECT run.run_id, run.party, run.party_name, run.until, run.cycle, run.ran_at, run.actor, outcome.currency,
    outcome.outcome, outcome.amount_minor, outcome.entries, outcome.settlement_id
FROM settlement_run run
JOIN settlement_outcome outcome ON outcome.run_id = run.run_id
WHERE ($1::text IS NULL OR run.party = $1::text)
    AND ($2::text IS NULL OR run.party_name = $2::text)
    AND ($3::bigint IS NULL OR run.run_id < $3::bigint)
ORDER BY run.run_id DESC, outcome.currency
LIMIT $4::int

-- name: payees
-- What each payee is owed by currency, by the books: payable, held, kept in reserve, and what of it is in settlements.
WITH standing AS (
    SELECT account.party, account.party_name, account.currency, account.purpose,
        (posted.credit_minor - posted.debit_minor)::bigint AS owed_minor
    FROM (
        SELECT account_id, sum(debit_minor) AS debit_minor, sum(credit_minor) AS credit_minor
        FROM (
            SELECT account_id, debit_minor, credit_minor FROM account_total
            UNION ALL
            SELECT account_id, debit_minor, credit_minor FROM journal_tail()
        ) each
        GROUP BY account_id
    ) posted
    JOIN account ON account.account_id = posted.account_id
    WHERE account.purpose IN ('payable', 'held', 'reserve')
        AND account.party NOT IN ('channel', 'operator', 'buyer')
),
drawn AS (
    SELECT account.party, account.party_name, account.currency, sum(settlement.lines_minor) AS unpaid_minor
    FROM settlement
    JOIN account ON account.account_id = settlement.account_id
    WHERE settlement.state IN ('draft', 'approved')
    GROUP BY account.party, account.party_name, account.currency
)
SELECT standing.party, standing.party_name, standing.currency,
    coalesce(sum(standing.owed_minor) FILTER (WHERE standing.purpose = 'payable'), 0)::bigint AS payable_minor,
    coalesce(sum(standing.owed_minor) FILTER (WHERE standing.purpose = 'held'), 0)::bigint AS held_minor,
    coalesce(sum(standing.owed_minor) FILTER (WHERE standing.purpose = 'reserve'), 0)::bigint AS reserve_minor,
    coalesce(max(drawn.unpaid_minor), 0)::bigint AS unpaid_minor
FROM standing
LEFT JOIN drawn ON drawn.party = standing.party
    AND drawn.party_name = standing.party_name
    AND drawn.currency = standing.currency
GROUP BY standing.party, standing.party_name, standing.currency
ORDER BY standing.party, standing.party_name, standing.currency
