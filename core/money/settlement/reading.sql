-- What people see of settlements. Amounts are what we owe the payee: above zero is theirs.

-- name: settlements
SELECT settlement.settlement_id, account.party, account.party_name, account.currency, settlement.state,
    settlement.until, run.cycle, settlement.entries, settlement.opening_minor, settlement.paid_since_minor,
    settlement.freed_since_minor, settlement.lines_minor, settlement.closing_minor, settlement.reserve_minor,
    settlement.reserve_days, settlement.held_minor, settlement.lines_minor - settlement.reserve_minor AS due_minor,
    settlement.approvals_needed,
    (
        SELECT count(*) FROM settlement_approval given WHERE given.settlement_id = settlement.settlement_id
    )::int AS approvals,
    settlement.paid_in, settlement.rate_numerator, settlement.rate_denominator, settlement.rate_source,
    settlement.rate_at, settlement.language, settlement.drawn_at, settlement.drawn_by, settlement.previous_id,
    before.until AS since
FROM settlement
JOIN account ON account.account_id = settlement.account_id
JOIN settlement_run run ON run.run_id = settlement.run_id
LEFT JOIN settlement before ON before.settlement_id = settlement.previous_id
WHERE ($1::text IS NULL OR account.party = $1::text)
    AND ($2::text IS NULL OR account.party_name = $2::text)
    AND ($3::text IS NULL OR settlement.state = $3::text)
    AND ($4::bigint IS NULL OR settlement.settlement_id = $4::bigint)
    AND ($5::bigint IS NULL OR settlement.settlement_id < $5::bigint)
ORDER BY settlement.settlement_id DESC
LIMIT $6::int

-- name: moves
SELECT move_no, to_state, moved_at, actor, reason
FROM settlement_move
WHERE settlement_id = $1::bigint
ORDER BY move_no

-- name: approvals
SELECT approver, approved_at, reason
FROM settlement_approval
WHERE settlement_id = $1::bigint
ORDER BY approved_at, approver

-- name: payment
-- With the rates that its transaction was reckoned by, where it was paid in another currency.
SELECT payment.paid_on, payment.payment_ref, payment.amount_minor, payment.currency, payment.gain_minor,
    payment.fee_minor, payment.transaction_id, payment.fx_transaction_id, payment.noted_at, payment.actor,
    settled.base, settled.numerator, settled.denominator, settled.source AS rate_source, settled.valid_at AS rate_at
FROM settlement_payment payment
LEFT JOIN journal_rate settled ON settled.transaction_id = payment.fx_transaction_id AND settled.role = 'settled'
WHERE payment.settlement_id = $1::bigint

-- name: held
SELECT payable_on, amount_minor FROM settlement_held WHERE settlement_id = $1::bigint ORDER BY held_no

-- name: sums
-- What its lines come to, by what posted them.
SELECT kind, sum(owed_minor) FILTER (WHERE owed_minor > 0) AS credited_minor,
    sum(owed_minor) FILTER (WHERE owed_minor < 0) AS charged_minor, count(*) AS entries
FROM payable_entry
WHERE settlement_id = $1::bigint AND NOT pays
GROUP BY kind
ORDER BY kind

-- name: lines
-- In the order of their moments and numbers, from a place on.
SELECT line.transaction_id, line.entry_no, line.kind, line.posted_at, line.owed_minor AS amount_minor,
    line.order_id, line.line_no, channel.name AS channel, channel_order.order_ref, sku.sku_ref,
    order_line.quantity, order_line.unit_price_minor, channel_order.currency AS price_currency,
    correction.settlement_id AS corrects_id, correction.reason AS why
FROM payable_entry line
LEFT JOIN settlement_correction correction ON correction.transaction_id = line.transaction_id
LEFT JOIN channel_order ON channel_order.order_id = line.order_id
LEFT JOIN channel ON channel.channel_id = channel_order.channel_id
LEFT JOIN order_line ON order_line.order_id = line.order_id AND order_line.line_no = line.line_no
LEFT JOIN sku ON sku.sku_id = order_line.sku_id
WHERE line.settlement_id = $1::bigint
    AND NOT line.pays
    AND (line.posted_at, line.transaction_id, line.entry_no) > ($2::timestamptz, $3::bigint, $4::smallint)
ORDER BY line.posted_at, line.transaction_id, line.entry_no
LIMIT $5::int
