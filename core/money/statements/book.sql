-- Lines, dues and discrepancies of a channel; all of it is written under the channel's lock.

-- name: lock_channel
SELECT pg_advisory_xact_lock(7703, $1::int)

-- name: covered
-- From when to when the channel has told its lines.
SELECT min(booked_at) AS since, max(booked_at) AS until FROM payout_line WHERE channel_id = $1::int

-- name: collect_dues
-- What transactions posted since $3 let us expect of the channel: their price, and their fee apart.
WITH fresh AS MATERIALIZED (
    SELECT posted.transaction_id, posted.order_id, posted.line_no, posted.posted_at
    FROM journal_transaction posted
    WHERE posted.posted_at >= $3::timestamptz
        AND posted.kind NOT IN ('clearing', 'payout', 'discrepancy', 'settlement', 'fx')
        AND NOT EXISTS (SELECT FROM due WHERE due.transaction_id = posted.transaction_id)
),
posted AS (
    SELECT fresh.transaction_id, account.currency,
        sum(entry.amount_minor)::bigint AS gross_minor,
        coalesce(-sum(entry.amount_minor) FILTER (WHERE account.purpose = 'commission'), 0)::bigint AS fee_minor
    FROM fresh
    JOIN entry ON entry.transaction_id = fresh.transaction_id
    JOIN account ON account.account_id = entry.account_id
    WHERE account.party = 'channel'
        AND account.party_name = $2::text
        AND account.purpose IN ('receivable', 'commission')
    GROUP BY fresh.transaction_id, account.currency
),
sold AS (
    SELECT posted.*, fresh.posted_at, channel_order.order_ref, listing.listing_ref,
        CASE
            WHEN order_line.unit_price_minor > 0 AND posted.gross_minor % order_line.unit_price_minor = 0
                THEN greatest(abs(posted.gross_minor / order_line.unit_price_minor), 1)
            ELSE 1
        END AS units
    FROM posted
    JOIN fresh ON fresh.transaction_id = posted.transaction_id
    LEFT JOIN order_line ON order_line.order_id = fresh.order_id AND order_line.line_no = fresh.line_no
    LEFT JOIN channel_order ON channel_order.order_id = fresh.order_id
    LEFT JOIN listing ON listing.listing_id = order_line.listing_id
),
part AS (
    SELECT sold.*, CASE WHEN sold.gross_minor > 0 THEN 'sale' ELSE 'refund' END AS kind, sold.gross_minor AS amount_minor
    FROM sold
    UNION ALL
    SELECT sold.*, CASE WHEN sold.fee_minor > 0 THEN 'fee_back' ELSE 'fee' END, sold.fee_minor
    FROM sold
)
INSERT INTO due (channel_id, transaction_id, kind, order_ref, listing_ref, amount_minor, unit_minor, left_minor,
    currency, at)
SELECT $1::int, part.transaction_id, part.kind, part.order_ref, part.listing_ref, part.amount_minor,
    CASE WHEN part.amount_minor % part.units = 0 THEN part.amount_minor / part.units ELSE part.amount_minor END,
    part.amount_minor, part.currency, part.posted_at
FROM part
WHERE part.amount_minor <> 0
ORDER BY part.posted_at, part.transaction_id, part.kind DESC
ON CONFLICT ON CONSTRAINT due_once DO NOTHING

-- name: waiting_lines
SELECT payout_line.line_ref, payout_line.kind, payout_line.amount_minor, payout_line.currency, payout_line.booked_at,
    payout_line.order_ref, payout_line.listing_ref
FROM line_waiting
JOIN payout_line ON payout_line.channel_id = line_waiting.channel_id AND payout_line.line_ref = line_waiting.line_ref
WHERE line_waiting.channel_id = $1::int
ORDER BY line_waiting.booked_at, line_waiting.line_ref
LIMIT $2::int

-- name: dues_of_orders
-- Told ones too: what is told once more is doubled, and not unknown.
SELECT due_id, transaction_id, kind, left_minor, unit_minor, currency, at, order_ref, listing_ref, discrepancy_id
FROM due
WHERE channel_id = $1::int AND order_ref = ANY ($2::text[])

-- name: dues_near
SELECT due_id, transaction_id, kind, left_minor, unit_minor, currency, at, order_ref, listing_ref, discrepancy_id
FROM due
WHERE channel_id = $1::int AND left_minor <> 0 AND at BETWEEN $2::timestamptz AND $3::timestamptz
ORDER BY at, due_id
LIMIT $4::int

-- name: known_refs
SELECT order_ref FROM channel_order WHERE channel_id = $1::int AND order_ref = ANY ($2::text[])

-- name: end_waiting
DELETE FROM line_waiting WHERE channel_id = $1::int AND line_ref = ANY ($2::text[])

-- name: add_verdicts
INSERT INTO line_verdict (channel_id, line_ref, transaction_id, booked_minor, rounding_minor, discrepancy_minor,
    judged_at)
SELECT $1::int, told.line_ref, told.transaction_id, told.booked_minor, told.rounding_minor, told.discrepancy_minor,
    $7::timestamptz
FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
    told(line_ref, transaction_id, booked_minor, rounding_minor, discrepancy_minor)

-- name: add_clearings
INSERT INTO clearing (channel_id, line_ref, due_id, amount_minor, transaction_id)
SELECT $1::int, told.line_ref, told.due_id, told.amount_minor, told.transaction_id
FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[])
    told(line_ref, due_id, amount_minor, transaction_id)

-- name: take_from_dues
UPDATE due
SET left_minor = due.left_minor - told.amount_minor
FROM unnest($1::bigint[], $2::bigint[]) told(due_id, amount_minor)
WHERE due.due_id = told.due_id

-- name: net_out
-- A sale that was taken back before the channel told of either side: together they are nothing, on both sides.
WITH nothing AS (
    SELECT order_ref, currency
    FROM due
    WHERE channel_id = $1::int
        AND left_minor <> 0
        AND discrepancy_id IS NULL
        AND at BETWEEN $2::timestamptz AND $3::timestamptz
        AND order_ref IS NOT NULL
    GROUP BY order_ref, currency
    HAVING sum(left_minor) = 0 AND count(*) > 1
)
UPDATE due
SET left_minor = 0
FROM nothing
WHERE due.channel_id = $1::int
    AND due.order_ref = nothing.order_ref
    AND due.currency = nothing.currency
    AND due.left_minor <> 0
    AND due.discrepancy_id IS NULL
    AND due.at BETWEEN $2::timestamptz AND $3::timestamptz

-- name: late_dues
SELECT due_id, transaction_id, kind, left_minor, unit_minor, currency, at, order_ref, listing_ref, discrepancy_id
FROM due
WHERE channel_id = $1::int
    AND left_minor <> 0
    AND discrepancy_id IS NULL
    AND at BETWEEN $2::timestamptz AND $3::timestamptz
ORDER BY at, due_id
LIMIT $4::int

-- name: open_discrepancies
INSERT INTO discrepancy (channel_id, kind, line_ref, due_id, order_ref, listing_ref, ours_minor, theirs_minor,
    difference_minor, left_minor, currency, at, transaction_id, opened_at)
SELECT $1::int, told.kind, told.line_ref, told.due_id, told.order_ref, told.listing_ref, told.ours_minor,
    told.theirs_minor, told.theirs_minor - told.ours_minor, told.theirs_minor - told.ours_minor, told.currency, told.at,
    told.transaction_id, $12::timestamptz
FROM unnest($2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::bigint[], $8::bigint[], $9::text[],
    $10::timestamptz[], $11::bigint[])
    told(kind, line_ref, due_id, order_ref, listing_ref, ours_minor, theirs_minor, currency, at, transaction_id)
RETURNING discrepancy_id, due_id

-- name: mark_missing
UPDATE due
SET discrepancy_id = told.discrepancy_id
FROM unnest($1::bigint[], $2::bigint[]) told(due_id, discrepancy_id)
WHERE due.due_id = told.due_id

-- name: settle_due
-- A person has settled what was missing: nothing of it is due any more.
UPDATE due SET left_minor = 0 WHERE due_id = $1::bigint

-- name: foreign_lines
-- Open discrepancies of lines that something of ours may still turn out to be: their order has something due, or
-- they are so young ($4) that what we post now may be theirs.
SELECT discrepancy.discrepancy_id, payout_line.line_ref, payout_line.kind, discrepancy.left_minor AS amount_minor,
    payout_line.currency, payout_line.booked_at, payout_line.order_ref, payout_line.listing_ref
FROM discrepancy
JOIN payout_line ON payout_line.channel_id = discrepancy.channel_id AND payout_line.line_ref = discrepancy.line_ref
WHERE discrepancy.channel_id = $1::int
    AND discrepancy.state = 'open'
    AND discrepancy.kind IN ('unknown_sale', 'unexpected_fee', 'refund_there_only')
    AND discrepancy.discrepancy_id > $2::bigint
    AND (
        discrepancy.at > $4::timestamptz
        OR EXISTS (
            SELECT
            FROM due
            WHERE due.channel_id = discrepancy.channel_id
                AND due.order_ref = discrepancy.order_ref
                AND due.left_minor <> 0
        )
    )
ORDER BY discrepancy.discrepancy_id
LIMIT $3::int

-- name: reduce
-- What is matched or settled of discrepancies; one of which nothing is left is resolved.
UPDATE discrepancy
SET left_minor = discrepancy.left_minor - told.amount_minor,
    state = CASE WHEN discrepancy.left_minor = told.amount_minor THEN 'resolved' ELSE 'open' END,
    resolution = CASE WHEN discrepancy.left_minor = told.amount_minor THEN $3::text END,
    reason = CASE WHEN discrepancy.left_minor = told.amount_minor THEN $4::text END,
    resolved_by = CASE WHEN discrepancy.left_minor = told.amount_minor THEN $5::text END,
    resolved_at = CASE WHEN discrepancy.left_minor = told.amount_minor THEN $6::timestamptz END
FROM unnest($1::bigint[], $2::bigint[]) told(discrepancy_id, amount_minor)
WHERE discrepancy.discrepancy_id = told.discrepancy_id

-- name: add_events
INSERT INTO discrepancy_event (discrepancy_id, what, amount_minor, transaction_id, actor, reason, at)
SELECT told.discrepancy_id, $5::text, told.amount_minor, told.transaction_id, $6::text, told.reason, $7::timestamptz
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[])
    told(discrepancy_id, amount_minor, transaction_id, reason)

-- name: find_discrepancy
SELECT discrepancy.discrepancy_id, discrepancy.channel_id, channel.name AS channel, discrepancy.due_id,
    discrepancy.left_minor, discrepancy.currency, discrepancy.state
FROM discrepancy
JOIN channel ON channel.channel_id = discrepancy.channel_id
WHERE discrepancy.discrepancy_id = $1::bigint

-- name: assign
UPDATE discrepancy SET owner = $2::text WHERE discrepancy_id = $1::bigint
