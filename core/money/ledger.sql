-- name: find_account
SELECT account_id
FROM account
WHERE party = $1::text AND party_name = $2::text AND purpose = $3::text AND currency = $4::text

-- name: add_account
INSERT INTO account (party, party_name, purpose, currency)
VALUES ($1::text, $2::text, $3::text, $4::text)
ON CONFLICT ON CONSTRAINT account_once DO NOTHING

-- name: sales_to_reverse
-- What an order posted and nobody has taken back yet.
SELECT sale.transaction_id, sale.lane, sale.order_id, sale.line_no, sale.plan_id
FROM journal_transaction sale
WHERE sale.order_id = $1::bigint
    AND sale.kind = 'sale'
    AND NOT EXISTS (
        SELECT FROM journal_transaction refund
        WHERE refund.reverses_id = sale.transaction_id AND refund.kind = 'refund'
    )
ORDER BY sale.line_no

-- name: post_reversal
INSERT INTO journal_transaction (transaction_id, lane, kind, order_id, line_no, plan_id, reverses_id, posted_at)
VALUES ($1::bigint, $2::smallint, 'refund', $3::bigint, $4::smallint, $5::int, $6::bigint, $7::timestamptz)

-- name: copy_negated
INSERT INTO entry (transaction_id, entry_no, account_id, amount_minor)
SELECT $1::bigint, sale.entry_no, sale.account_id, -sale.amount_minor
FROM entry sale
WHERE sale.transaction_id = $2::bigint

-- name: latest_plan
SELECT plan_id, version, rules
FROM split_plan
WHERE name = $1::text
ORDER BY version DESC
LIMIT 1

-- name: lock_plans
SELECT pg_advisory_xact_lock(7702, 0)

-- name: add_plan
INSERT INTO split_plan (name, version, rules) VALUES ($1::text, $2::int, $3::jsonb) RETURNING plan_id
