-- name: lock_budget
SELECT pg_advisory_xact_lock(7711, hashtext($1::text))

-- name: standing
-- What stands on a budget's account: credit is what is set aside.
SELECT coalesce(-sum(part.debit_minor - part.credit_minor), 0)::bigint
FROM account
JOIN (
    SELECT account_id, debit_minor, credit_minor FROM account_total
    UNION ALL
    SELECT account_id, debit_minor, credit_minor FROM journal_tail()
) part ON part.account_id = account.account_id
WHERE account.party = 'budget'
    AND account.party_name = $1::text
    AND account.purpose = 'set_aside'
    AND account.currency = $2::text

-- name: find_use
SELECT budget_use.kind, budget_use.currency, budget_use.amount_minor, budget_use.covered_minor, channel.name AS channel,
    budget_use.transaction_id
FROM budget_use
LEFT JOIN channel ON channel.channel_id = budget_use.channel_id
WHERE budget_use.budget = $1::text AND budget_use.ref = $2::text

-- name: add_use
INSERT INTO budget_use (budget, ref, kind, currency, amount_minor, covered_minor, channel_id, transaction_id, actor,
    reason, used_at)
VALUES (
    $1::text, $2::text, $3::text, $4::text, $5::bigint, $6::bigint,
    (SELECT channel_id FROM channel WHERE name = $7::text), $8::bigint, $9::text, $10::text, $11::timestamptz
)

-- name: is_known
SELECT EXISTS (SELECT FROM account WHERE party = 'budget' AND party_name = $1::text)

-- name: budgets
SELECT account.party_name AS budget, account.currency,
    coalesce(sum(part.credit_minor), 0)::bigint AS set_aside_minor,
    -coalesce(sum(part.debit_minor - part.credit_minor), 0)::bigint AS left_minor,
    coalesce(used.spent_minor, 0)::bigint AS spent_minor,
    coalesce(used.beyond_minor, 0)::bigint AS beyond_minor,
    coalesce(used.released_minor, 0)::bigint AS released_minor
FROM account
LEFT JOIN (
    SELECT account_id, debit_minor, credit_minor FROM account_total
    UNION ALL
    SELECT account_id, debit_minor, credit_minor FROM journal_tail()
) part ON part.account_id = account.account_id
LEFT JOIN (
    SELECT budget, currency,
        sum(covered_minor) FILTER (WHERE kind = 'spent') AS spent_minor,
        sum(amount_minor - covered_minor) AS beyond_minor,
        sum(covered_minor) FILTER (WHERE kind = 'released') AS released_minor
    FROM budget_use
    GROUP BY budget, currency
) used ON used.budget = account.party_name AND used.currency = account.currency
WHERE account.party = 'budget' AND account.purpose = 'set_aside'
GROUP BY account.party_name, account.currency, used.spent_minor, used.beyond_minor, used.released_minor
ORDER BY account.party_name, account.currency

-- name: uses
SELECT budget_use.use_id, budget_use.ref, budget_use.kind, budget_use.currency, budget_use.amount_minor,
    budget_use.covered_minor, channel.name AS channel, budget_use.transaction_id, budget_use.actor, budget_use.reason,
    budget_use.used_at
FROM budget_use
LEFT JOIN channel ON channel.channel_id = budget_use.channel_id
WHERE budget_use.budget = $1::text
ORDER BY budget_use.use_id DESC
LIMIT $2::int
