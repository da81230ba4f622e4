-- name: post_of_order
INSERT INTO journal_transaction (transaction_id, lane, kind, order_id, line_no, plan_id, reverses_id, posted_at)
VALUES (
    $1::bigint, $2::smallint, $3::text, $4::bigint, $5::smallint, $6::int, $7::bigint, $8::timestamptz
)

-- name: add_entries
INSERT INTO entry (transaction_id, entry_no, account_id, amount_minor)
SELECT $1::bigint, told.n, told.account_id, told.amount_minor
FROM unnest($2::int[], $3::bigint[]) WITH ORDINALITY told(account_id, amount_minor, n)

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
