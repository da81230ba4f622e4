-- Drawing settlements up, and the moves they make.

-- name: collect
SELECT collect_payable($1::int)

-- name: payees
-- Everybody who was ever owed something.
SELECT DISTINCT party, party_name
FROM account
WHERE purpose = 'payable' AND party NOT IN ('channel', 'operator', 'buyer') AND party_name <> ''
ORDER BY party, party_name

-- name: run_until
-- How far the cycles of each payee were run.
SELECT party, party_name, max(until) AS until
FROM settlement_run
WHERE cycle <> 'on demand'
GROUP BY party, party_name

-- name: lock_payee
-- One at a time draws up, moves or pays what is a payee's.
SELECT pg_advisory_xact_lock(7724, hashtext($1::text || '/' || $2::text))

-- name: hold_cursor
-- Nothing more is collected while a settlement takes what is open.
SELECT written_in FROM payable_cursor FOR SHARE

-- name: add_run
INSERT INTO settlement_run (party, party_name, until, cycle, ran_at, actor)
VALUES ($1::text, $2::text, $3::timestamptz, $4::text, $5::timestamptz, $6::text)
ON CONFLICT (party, party_name, until) WHERE cycle <> 'on demand' DO NOTHING
RETURNING run_id

-- name: open_entries
-- What stands open on each account of a payee, dated before a moment; what came out of a reserve is told apart.
SELECT account.account_id, account.currency, sum(line.owed_minor)::bigint AS owed_minor, count(*)::int AS entries,
    coalesce(sum(line.owed_minor) FILTER (WHERE line.kind = 'settlement'), 0)::bigint AS released_minor
FROM account
JOIN payable_entry line ON line.account_id = account.account_id
WHERE account.party = $1::text
    AND account.party_name = $2::text
    AND account.purpose = 'payable'
    AND line.settlement_id IS NULL
    AND line.posted_at < $3::timestamptz
GROUP BY account.account_id, account.currency
ORDER BY account.currency

-- name: before
-- What is known of an account when it is settled anew: its last settlement, and what is settled and not paid.
SELECT (
        SELECT settlement_id FROM settlement
        WHERE account_id = $1::int AND state <> 'withdrawn'
        ORDER BY settlement_id DESC
        LIMIT 1
    ) AS previous_id,
    coalesce(sum(lines_minor) FILTER (WHERE state IN ('draft', 'approved')), 0)::bigint AS unpaid_minor,
    coalesce(sum(lines_minor) FILTER (WHERE state = 'paid'), 0)::bigint AS paid_minor
FROM settlement
WHERE account_id = $1::int

-- name: closing
SELECT closing_minor, paid_before_minor FROM settlement WHERE settlement_id = $1::bigint

-- name: add_settlement
INSERT INTO settlement (run_id, account_id, until, previous_id, state, entries, opening_minor, paid_since_minor,
    freed_since_minor, lines_minor, closing_minor, paid_before_minor, reserve_minor, reserve_days, held_minor,
    approvals_needed, paid_in, rate_numerator, rate_denominator, rate_source, rate_at, language, drawn_at, drawn_by)
VALUES ($1::bigint, $2::int, $3::timestamptz, $4::bigint, $5::text, $6::int, $7::bigint, $8::bigint, $9::bigint,
    $10::bigint, $7::bigint + $8::bigint + $9::bigint + $10::bigint, $11::bigint, $12::bigint, $13::int, $14::bigint,
    $15::smallint, $16::text, $17::bigint, $18::bigint, $19::text, $20::timestamptz, $21::text, $22::timestamptz,
    $23::text)
RETURNING settlement_id

-- name: take_entries
UPDATE payable_entry SET settlement_id = $1::bigint
WHERE account_id = $2::int AND settlement_id IS NULL AND posted_at < $3::timestamptz

-- name: free_entries
UPDATE payable_entry SET settlement_id = NULL WHERE settlement_id = $1::bigint

-- name: add_held
INSERT INTO settlement_held (settlement_id, held_no, payable_on, amount_minor)
SELECT $1::bigint, told.n, told.payable_on, told.amount_minor
FROM unnest($2::date[], $3::bigint[]) WITH ORDINALITY told(payable_on, amount_minor, n)

-- name: add_outcome
INSERT INTO settlement_outcome (run_id, currency, outcome, amount_minor, entries, settlement_id)
VALUES ($1::bigint, $2::text, $3::text, $4::bigint, $5::int, $6::bigint)

-- name: held_balances
-- What is held for each payee, by the books.
SELECT account.account_id, account.party, account.party_name, account.currency,
    sum(posted.credit_minor - posted.debit_minor)::bigint AS held_minor
FROM (
    SELECT account_id, debit_minor, credit_minor FROM account_total
    UNION ALL
    SELECT account_id, debit_minor, credit_minor FROM journal_tail()
) posted
JOIN account ON account.account_id = posted.account_id
WHERE account.purpose = 'held'
GROUP BY account.account_id
HAVING sum(posted.credit_minor - posted.debit_minor) <> 0

-- name: held_by_day
-- The day on which what is held of each line begins to be payable, as far as dates tell, summed up by account.
WITH due AS MATERIALIZED (
    SELECT split_due.order_id, split_due.line_no, split_due.due_at, sale.transaction_id AS sale_id
    FROM split_due
    JOIN journal_transaction sale ON sale.order_id = split_due.order_id
        AND sale.line_no = split_due.line_no
        AND sale.kind = 'sale'
),
posted AS MATERIALIZED (
    SELECT due.due_at, due.sale_id AS transaction_id FROM due
    UNION ALL
    SELECT due.due_at, refund.transaction_id
    FROM due
    JOIN journal_transaction refund ON refund.reverses_id = due.sale_id AND refund.kind = 'refund'
    UNION ALL
    SELECT due.due_at, later.transaction_id
    FROM due
    JOIN journal_transaction later ON later.order_id = due.order_id
        AND later.line_no = due.line_no
        AND later.kind IN ('release', 'lapse', 'redemption')
)
SELECT entry.account_id, (posted.due_at AT TIME ZONE 'UTC')::date AS payable_on,
    -sum(entry.amount_minor)::bigint AS amount_minor
FROM posted
JOIN entry ON entry.transaction_id = posted.transaction_id
JOIN account ON account.account_id = entry.account_id AND account.purpose = 'held'
GROUP BY 1, 2
HAVING sum(entry.amount_minor) <> 0
ORDER BY 1, 2

-- name: find
SELECT account.party, account.party_name
FROM settlement
JOIN account ON account.account_id = settlement.account_id
WHERE settlement.settlement_id = $1::bigint

-- name: add_approval
INSERT INTO settlement_approval (settlement_id, approver, approved_at, reason)
VALUES ($1::bigint, $2::text, $3::timestamptz, $4::text)

-- name: set_state
UPDATE settlement SET state = $2::text WHERE settlement_id = $1::bigint

-- name: add_move
INSERT INTO settlement_move (settlement_id, move_no, to_state, moved_at, actor, reason)
SELECT $1::bigint, coalesce(max(move_no), 0) + 1, $2::text, $3::timestamptz, $4::text, $5::text
FROM settlement_move
WHERE settlement_id = $1::bigint

-- name: keep_payment_entries
INSERT INTO payable_entry (transaction_id, entry_no, account_id, owed_minor, kind, posted_at, pays, settlement_id)
SELECT posted.transaction_id, entry.entry_no, entry.account_id, -entry.amount_minor, posted.kind, posted.posted_at, true,
    settlement.settlement_id
FROM settlement
JOIN entry ON entry.transaction_id = ANY ($2::bigint[]) AND entry.account_id = settlement.account_id
JOIN journal_transaction posted ON posted.transaction_id = entry.transaction_id
WHERE settlement.settlement_id = $1::bigint

-- name: add_payment
INSERT INTO settlement_payment (settlement_id, paid_on, payment_ref, amount_minor, currency, gain_minor, fee_minor,
    transaction_id, fx_transaction_id, noted_at, actor)
VALUES ($1::bigint, $2::timestamptz, $3::text, $4::bigint, $5::text, $6::bigint, $7::bigint, $8::bigint, $9::bigint,
    $10::timestamptz, $11::text)

-- name: add_reserve
INSERT INTO settlement_reserve (settlement_id, amount_minor, due_at)
VALUES ($1::bigint, $2::bigint, $3::timestamptz)

-- name: reserves_due
SELECT reserve.settlement_id, reserve.amount_minor, reserve.due_at, account.party, account.party_name, account.currency
FROM settlement_reserve reserve
JOIN settlement ON settlement.settlement_id = reserve.settlement_id
JOIN account ON account.account_id = settlement.account_id
WHERE reserve.transaction_id IS NULL AND reserve.due_at <= $1::timestamptz
ORDER BY reserve.settlement_id
LIMIT 500
FOR UPDATE OF reserve SKIP LOCKED

-- name: release_reserve
UPDATE settlement_reserve SET transaction_id = $2::bigint WHERE settlement_id = $1::bigint

-- name: add_correction
INSERT INTO settlement_correction (transaction_id, settlement_id, at, actor, reason)
VALUES ($1::bigint, $2::bigint, $3::timestamptz, $4::text, $5::text)
