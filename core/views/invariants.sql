-- What a healthy database never shows, a query for each way to break a promise. Every query answers with at most
-- 20 rows of what is wrong, each with the number of all. Plain hash joins over whole tables: they are asked rarely.

-- name: more_memory
-- For this transaction only: the joins below pass over whole tables.
SELECT set_config('work_mem', '64MB', true), set_config('jit', 'off', true)

-- name: missing_guards
-- The keys that make the promises true whatever the program does; without one the rest proves little.
SELECT count(*) OVER () AS total, format('%s: the constraint or index is missing or invalid', guard.name) AS what
FROM unnest($1::text[]) guard(name)
WHERE NOT EXISTS (
    SELECT
    FROM pg_class
    JOIN pg_index ON pg_index.indexrelid = pg_class.oid
    WHERE pg_class.relname = guard.name
        AND pg_class.relnamespace = current_schema()::regnamespace
        AND pg_index.indisunique
        AND pg_index.indisvalid
)
LIMIT 20

-- name: held_twice
-- Only a code that stands again can be held twice: the same slot cannot be.
WITH again AS (
    SELECT lane, shelf_id, slot, origin_slot FROM code WHERE origin_slot IS NOT NULL
),
stand AS (
    SELECT lane, shelf_id, slot, origin_slot FROM again
    UNION
    SELECT lane, shelf_id, origin_slot, origin_slot FROM again
)
SELECT count(*) OVER () AS total,
    format('code %s.%s.%s is held by orders %s', stand.lane, stand.shelf_id, stand.origin_slot,
        string_agg(allocation.order_id::text, ', ' ORDER BY allocation.order_id)) AS what
FROM stand
JOIN allocation ON allocation.lane = stand.lane
    AND allocation.shelf_id = stand.shelf_id
    AND allocation.slot = stand.slot
LEFT JOIN departure ON departure.lane = stand.lane
    AND departure.shelf_id = stand.shelf_id
    AND departure.slot = stand.slot
    AND departure.kind = 'released'
WHERE departure.slot IS NULL
GROUP BY stand.lane, stand.shelf_id, stand.origin_slot
HAVING count(*) > 1
LIMIT 20

-- name: released_after_seen
-- Codes go back on sale only when an order ends from a state in which nobody can have seen them. Counted by
-- moves and not by times: the clocks of two daemons need not agree.
WITH given_back AS (
    SELECT allocation.order_id, allocation.line_no, count(*) AS codes
    FROM departure
    JOIN allocation ON allocation.lane = departure.lane
        AND allocation.shelf_id = departure.shelf_id
        AND allocation.slot = departure.slot
    WHERE departure.kind = 'released'
    GROUP BY allocation.order_id, allocation.line_no
),
unseen_end AS (
    SELECT order_id, count(*) AS times
    FROM order_move
    WHERE from_state IN ('held', 'reserved', 'accepted') AND to_state IN ('released', 'cancelled')
    GROUP BY order_id
)
SELECT count(*) OVER () AS total,
    format('order %s line %s: %s codes went back on sale that may have been seen',
        given_back.order_id, given_back.line_no,
        given_back.codes - coalesce(order_line.quantity * unseen_end.times, 0)) AS what
FROM given_back
LEFT JOIN order_line ON order_line.order_id = given_back.order_id AND order_line.line_no = given_back.line_no
LEFT JOIN unseen_end ON unseen_end.order_id = given_back.order_id
WHERE given_back.codes > coalesce(order_line.quantity * unseen_end.times, 0)
LIMIT 20

-- name: sold_and_withdrawn
SELECT count(*) OVER () AS total,
    format('code %s.%s.%s is with order %s and with its consignor', allocation.lane, allocation.shelf_id,
        allocation.slot, allocation.order_id) AS what
FROM departure
JOIN allocation ON allocation.lane = departure.lane
    AND allocation.shelf_id = departure.shelf_id
    AND allocation.slot = departure.slot
WHERE departure.kind = 'withdrawn'
LIMIT 20

-- name: wrong_count
-- Kept and delivering orders have all their codes now; delivered ones were given all, of which some may have
-- turned out bad since; ended ones have none. $1: channels that take partial orders.
WITH held AS (
    SELECT allocation.order_id, allocation.line_no,
        count(*) FILTER (WHERE departure.slot IS NULL) AS now_held,
        count(*) FILTER (WHERE departure.kind IS DISTINCT FROM 'released' AND replacement.slot IS NULL) AS served
    FROM allocation
    LEFT JOIN departure ON departure.lane = allocation.lane
        AND departure.shelf_id = allocation.shelf_id
        AND departure.slot = allocation.slot
    LEFT JOIN replacement ON replacement.lane = allocation.lane
        AND replacement.shelf_id = allocation.shelf_id
        AND replacement.slot = allocation.slot
    GROUP BY allocation.order_id, allocation.line_no
),
line AS (
    SELECT order_now.order_id, order_now.channel_id, order_now.state, order_line.line_no,
        CASE
            WHEN order_now.state IN (
                'held', 'reserved', 'accepted', 'delivering', 'unsure', 'delivered', 'refunded'
            )
                THEN order_line.quantity
            ELSE 0
        END AS due,
        CASE
            WHEN order_now.state IN ('delivered', 'refunded') THEN coalesce(held.served, 0)
            ELSE coalesce(held.now_held, 0)
        END AS codes
    FROM order_now
    JOIN order_line ON order_line.order_id = order_now.order_id
    LEFT JOIN held ON held.order_id = order_line.order_id AND held.line_no = order_line.line_no
)
SELECT count(*) OVER () AS total,
    format('order %s is %s with %s', order_id, state,
        string_agg(format('%s of %s codes on line %s', codes, due, line_no), ', ' ORDER BY line_no)) AS what
FROM line
-- Lines that are right say nothing of their order, but for a partial one: some line of it must have a code.
WHERE codes <> due OR channel_id = ANY ($1::int[])
GROUP BY order_id, channel_id, state
HAVING bool_or(codes > due)
    OR (bool_or(codes < due) AND (channel_id <> ALL ($1::int[]) OR sum(codes) = 0))
LIMIT 20

-- name: foreign_codes
-- A code that no line asked for, or of another SKU than its line's.
SELECT count(*) OVER () AS total,
    format('order %s line %s has code %s.%s.%s, which it did not ask for', allocation.order_id,
        allocation.line_no, allocation.lane, allocation.shelf_id, allocation.slot) AS what
FROM allocation
LEFT JOIN order_line ON order_line.order_id = allocation.order_id AND order_line.line_no = allocation.line_no
LEFT JOIN shelf ON shelf.lane = allocation.lane AND shelf.shelf_id = allocation.shelf_id
WHERE order_line.sku_id IS DISTINCT FROM shelf.sku_id OR shelf.sku_id IS NULL
LIMIT 20

-- name: no_request
-- Without its request's hash or its lines an order cannot tell a repetition from another order.
SELECT count(*) OVER () AS total,
    format('order %s has no %s', channel_order.order_id,
        CASE WHEN channel_order.request_hash = '' THEN 'request hash' ELSE 'lines' END) AS what
FROM channel_order
WHERE channel_order.request_hash = ''
    OR (
        channel_order.first_state <> 'cancelled'
        AND NOT EXISTS (SELECT FROM order_line WHERE order_line.order_id = channel_order.order_id)
    )
LIMIT 20

-- name: broken_chain
-- Moves are numbered 1, 2, 3 ..., and each begins where the one before it ended.
WITH step AS (
    SELECT order_id, move_no, from_state, row_number() OVER chain AS place, lag(to_state) OVER chain AS before
    FROM order_move
    WINDOW chain AS (PARTITION BY order_id ORDER BY move_no)
)
SELECT count(*) OVER () AS total,
    format('order %s: move %s starts from %s, but %s', step.order_id, step.move_no, step.from_state,
        CASE
            WHEN channel_order.order_id IS NULL THEN 'there is no such order'
            WHEN step.place <> step.move_no THEN format('is the %s. of its moves', step.place)
            ELSE format('the order was %s', coalesce(step.before, channel_order.first_state))
        END) AS what
FROM step
LEFT JOIN channel_order ON channel_order.order_id = step.order_id
WHERE channel_order.order_id IS NULL
    OR step.place <> step.move_no
    OR step.from_state <> coalesce(step.before, channel_order.first_state)
LIMIT 20

-- name: stock_unbalanced
-- Every state of a code is counted from the rows that make it, none as what is left of the others. $1: now.
WITH delivered_order AS (
    SELECT order_id FROM order_move WHERE to_state = 'delivered'
),
imported AS (
    SELECT lane, shelf_id, count(*) AS codes FROM code WHERE origin_slot IS NULL GROUP BY lane, shelf_id
),
free AS (
    SELECT code.lane, code.shelf_id, count(*) AS codes
    FROM code
    WHERE NOT EXISTS (
            SELECT FROM allocation
            WHERE allocation.lane = code.lane
                AND allocation.shelf_id = code.shelf_id
                AND allocation.slot = code.slot
        )
        AND NOT EXISTS (
            SELECT FROM departure
            WHERE departure.lane = code.lane
                AND departure.shelf_id = code.shelf_id
                AND departure.slot = code.slot
        )
    GROUP BY code.lane, code.shelf_id
),
taken AS (
    SELECT allocation.lane, allocation.shelf_id,
        count(*) FILTER (WHERE delivered_order.order_id IS NULL) AS reserved,
        count(*) FILTER (WHERE delivered_order.order_id IS NOT NULL) AS delivered
    FROM allocation
    LEFT JOIN delivered_order ON delivered_order.order_id = allocation.order_id
    WHERE NOT EXISTS (
        SELECT FROM departure
        WHERE departure.lane = allocation.lane
            AND departure.shelf_id = allocation.shelf_id
            AND departure.slot = allocation.slot
    )
    GROUP BY allocation.lane, allocation.shelf_id
),
gone AS (
    SELECT lane, shelf_id,
        count(*) FILTER (WHERE kind = 'quarantined') AS quarantined,
        count(*) FILTER (WHERE kind = 'withdrawn') AS withdrawn
    FROM departure
    GROUP BY lane, shelf_id
),
sku_stock AS (
    SELECT shelf.sku_id,
        coalesce(sum(imported.codes), 0) AS imported,
        coalesce(sum(free.codes) FILTER (WHERE shelf.expires_at > $1::timestamptz), 0) AS available,
        coalesce(sum(free.codes) FILTER (WHERE shelf.expires_at <= $1::timestamptz), 0) AS expired,
        coalesce(sum(taken.reserved), 0) AS reserved,
        coalesce(sum(taken.delivered), 0) AS delivered,
        coalesce(sum(gone.quarantined), 0) AS quarantined,
        coalesce(sum(gone.withdrawn), 0) AS withdrawn
    FROM shelf
    FULL JOIN imported ON imported.lane = shelf.lane AND imported.shelf_id = shelf.shelf_id
    FULL JOIN free ON free.lane = shelf.lane AND free.shelf_id = shelf.shelf_id
    FULL JOIN taken ON taken.lane = shelf.lane AND taken.shelf_id = shelf.shelf_id
    FULL JOIN gone ON gone.lane = shelf.lane AND gone.shelf_id = shelf.shelf_id
    GROUP BY shelf.sku_id
)
SELECT count(*) OVER () AS total,
    format('SKU %s: %s imported, but %s available + %s reserved + %s delivered + %s quarantined + %s expired'
        ' + %s withdrawn', coalesce(sku.sku_ref, '(codes on no shelf)'), imported, available, reserved, delivered,
        quarantined, expired, withdrawn) AS what
FROM sku_stock
LEFT JOIN sku ON sku.sku_id = sku_stock.sku_id
WHERE sku.sku_id IS NULL OR imported <> available + reserved + delivered + quarantined + expired + withdrawn
LIMIT 20

-- name: slots_not_dense
-- A hole would be a code that left without a trace.
SELECT count(*) OVER () AS total,
    format('shelf %s.%s has %s codes on slots %s to %s', lane, shelf_id, count(*), min(slot), max(slot)) AS what
FROM code
GROUP BY lane, shelf_id
HAVING min(slot) <> 1 OR max(slot) <> count(*)
LIMIT 20

-- name: stands_unmatched
-- Each time a code was given back it stands once more, of the same batch.
WITH turn AS (
    SELECT again.lane, again.shelf_id, again.origin_slot, 1 AS stood,
        0 AS given_back, (first.batch_id IS DISTINCT FROM again.batch_id)::int AS strange
    FROM code again
    LEFT JOIN code first ON first.lane = again.lane
        AND first.shelf_id = again.shelf_id
        AND first.slot = again.origin_slot
        AND first.origin_slot IS NULL
    WHERE again.origin_slot IS NOT NULL
    UNION ALL
    SELECT departure.lane, departure.shelf_id, coalesce(code.origin_slot, departure.slot), 0, 1, 0
    FROM departure
    LEFT JOIN code ON code.lane = departure.lane
        AND code.shelf_id = departure.shelf_id
        AND code.slot = departure.slot
    WHERE departure.kind = 'released'
)
SELECT count(*) OVER () AS total,
    format('code %s.%s.%s was given back %s times and stands again %s times%s', lane, shelf_id, origin_slot,
        sum(given_back), sum(stood), CASE WHEN sum(strange) > 0 THEN ', not as the same code' END) AS what
FROM turn
GROUP BY lane, shelf_id, origin_slot
HAVING sum(given_back) <> sum(stood) OR sum(strange) > 0
LIMIT 20

-- name: orders_lost
-- An order is ended or among the work to be done, never both, never neither.
SELECT count(*) OVER () AS total,
    CASE
        WHEN order_now.order_id IS NULL THEN format('order %s is open, but there is no such order', open_order.order_id)
        WHEN open_order.order_id IS NULL
            THEN format('order %s is %s, but nobody has it to do', order_now.order_id, order_now.state)
        ELSE format('order %s is %s, but still open', order_now.order_id, order_now.state)
    END AS what
FROM order_now
FULL JOIN open_order ON open_order.order_id = order_now.order_id
WHERE order_now.order_id IS NULL
    OR (open_order.order_id IS NULL)
        <> (order_now.state IN ('delivered', 'refused', 'released', 'cancelled', 'refunded'))
LIMIT 20

-- name: orders_stuck
-- Due for longer than $2 without being looked at. An order held for a person may wait as long as that takes.
SELECT count(*) OVER () AS total,
    format('order %s is stuck: %s since %s, due since %s, %s failures', open_order.order_id,
        order_now.state, order_now.state_since, open_order.due_at, open_order.failures) AS what
FROM open_order
JOIN order_now ON order_now.order_id = open_order.order_id
WHERE open_order.due_at < $1::timestamptz - $2::interval
    AND order_now.state_since < $1::timestamptz - $2::interval
    AND order_now.state <> 'held'
LIMIT 20
