-- name: lines_to_split
SELECT order_line.order_id, order_line.line_no, sku.sku_ref, sku.tags, channel_order.buyer_ref
FROM order_line
JOIN channel_order ON channel_order.order_id = order_line.order_id
JOIN sku ON sku.sku_id = order_line.sku_id
WHERE order_line.order_id = ANY ($1::bigint[])

-- name: codes_by_cost
SELECT order_id, line_no, name, unit_cost_minor, currency, codes FROM codes_by_cost($1::bigint[])

-- name: told_taxes
-- What channels told of the tax in these orders' lines, all pieces together.
SELECT order_line.order_id, order_line.line_no, order_line.quantity, told_tax.tax_minor
FROM order_line
JOIN channel_order ON channel_order.order_id = order_line.order_id
JOIN told_tax ON told_tax.channel_id = channel_order.channel_id
    AND told_tax.order_ref = channel_order.order_ref
    AND told_tax.line_ref = order_line.line_ref
WHERE order_line.order_id = ANY ($1::bigint[])

-- name: lock_buyer
-- Nobody else may find out which order of this buyer's it is until ours is committed.
SELECT pg_advisory_xact_lock(7708, hashtext($1::text))

-- name: orders_of_buyer
-- How many of a person's orders were delivered before, on all channels.
SELECT count(*)
FROM names_of(person_of($1::bigint)) name
JOIN buyer_handle ON buyer_handle.buyer_id = name.buyer_id
JOIN channel_order ON channel_order.channel_id = buyer_handle.channel_id
    AND channel_order.buyer_ref = buyer_handle.buyer_ref
WHERE channel_order.order_id <> ALL ($2::bigint[])
    AND EXISTS (
        SELECT FROM order_move
        WHERE order_move.order_id = channel_order.order_id AND order_move.to_state = 'delivered'
    )

-- name: add_counters
INSERT INTO plan_counter (plan_name, rule, scope, currency, period_start)
SELECT asked.plan_name, asked.rule, asked.scope, asked.currency, asked.period_start
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
    asked(plan_name, rule, scope, currency, period_start)
ORDER BY asked.plan_name, asked.rule, asked.scope, asked.currency, asked.period_start
ON CONFLICT ON CONSTRAINT plan_counter_key DO NOTHING

-- name: lock_counters
SELECT counter.plan_name, counter.rule, counter.scope, counter.currency, counter.period_start, counter.taken_minor,
    counter.turnover_minor, counter.units
FROM plan_counter counter
JOIN unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
    asked(plan_name, rule, scope, currency, period_start)
    ON asked.plan_name = counter.plan_name
    AND asked.rule = counter.rule
    AND asked.scope = counter.scope
    AND asked.currency = counter.currency
    AND asked.period_start = counter.period_start
ORDER BY counter.plan_name, counter.rule, counter.scope, counter.currency, counter.period_start
FOR UPDATE OF counter

-- name: set_counters
UPDATE plan_counter counter
SET taken_minor = told.taken_minor, turnover_minor = told.turnover_minor, units = told.units
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::bigint[], $7::bigint[],
    $8::bigint[]) told(plan_name, rule, scope, currency, period_start, taken_minor, turnover_minor, units)
WHERE counter.plan_name = told.plan_name
    AND counter.rule = told.rule
    AND counter.scope = told.scope
    AND counter.currency = told.currency
    AND counter.period_start = told.period_start

-- name: add_sale_facts
INSERT INTO sale_facts (order_id, line_no, facts)
SELECT told.order_id, told.line_no, told.facts
FROM unnest($1::bigint[], $2::smallint[], $3::jsonb[]) told(order_id, line_no, facts)

-- name: add_split_dues
INSERT INTO split_due (order_id, line_no, due_at)
SELECT told.order_id, told.line_no, told.due_at
FROM unnest($1::bigint[], $2::smallint[], $3::timestamptz[]) told(order_id, line_no, due_at)

-- name: add_owed
INSERT INTO split_owed (order_id, channel_id, why, since, due_at)
SELECT told.order_id, told.channel_id, told.why, $4::timestamptz, $5::timestamptz
FROM unnest($1::bigint[], $2::int[], $3::text[]) told(order_id, channel_id, why)

-- name: due_owed
SELECT order_id, channel_id
FROM split_owed
WHERE settled_at IS NULL AND due_at <= $1::timestamptz AND channel_id = ANY ($2::int[])
ORDER BY due_at
LIMIT $3::int

-- name: lock_owed
SELECT tries FROM split_owed WHERE order_id = $1::bigint AND settled_at IS NULL FOR UPDATE SKIP LOCKED

-- name: retry_owed_later
UPDATE split_owed SET why = $2::text, tries = tries + 1, due_at = $3::timestamptz WHERE order_id = $1::bigint

-- name: settle_owed
UPDATE split_owed SET settled_at = $2::timestamptz, outcome = 'split' WHERE order_id = $1::bigint

-- name: owed_splits
SELECT split_owed.order_id, channel.name AS channel, channel_order.order_ref, split_owed.why, split_owed.since,
    split_owed.tries, split_owed.due_at
FROM split_owed
JOIN channel_order ON channel_order.order_id = split_owed.order_id
JOIN channel ON channel.channel_id = split_owed.channel_id
WHERE split_owed.settled_at IS NULL
ORDER BY split_owed.since
LIMIT $1::int
