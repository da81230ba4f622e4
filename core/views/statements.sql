-- What channels told, how it was matched, and what is left to settle.

-- name: statements
SELECT statement.statement_id, channel.name AS channel, statement.source, statement.name, statement.opened_by,
    statement.opened_at, told.currency, coalesce(told.lines, 0)::bigint AS lines,
    coalesce(told.waiting, 0)::bigint AS waiting, coalesce(told.total_minor, 0)::bigint AS total_minor,
    coalesce(told.open_minor, 0)::bigint AS open_minor, coalesce(told.open, 0)::bigint AS open, told.since, told.until
FROM statement
JOIN channel ON channel.channel_id = statement.channel_id
LEFT JOIN LATERAL (
    SELECT payout_line.currency, count(*) AS lines, sum(payout_line.amount_minor) AS total_minor,
        count(line_waiting.line_ref) AS waiting, sum(discrepancy.left_minor) AS open_minor,
        count(discrepancy.discrepancy_id) AS open, min(payout_line.booked_at) AS since,
        max(payout_line.booked_at) AS until
    FROM payout_line
    LEFT JOIN line_waiting ON line_waiting.channel_id = payout_line.channel_id
        AND line_waiting.line_ref = payout_line.line_ref
    LEFT JOIN discrepancy ON discrepancy.channel_id = payout_line.channel_id
        AND discrepancy.line_ref = payout_line.line_ref
        AND discrepancy.state = 'open'
    WHERE payout_line.statement_id = statement.statement_id
    GROUP BY payout_line.currency
) told ON true
WHERE ($1::text IS NULL OR channel.name = $1::text)
    AND ($2::int IS NULL OR statement.statement_id = $2::int)
    AND ($3::int IS NULL OR statement.statement_id < $3::int)
ORDER BY statement.statement_id DESC, told.currency
LIMIT $4::int

-- name: lines
-- Lines of a statement with what of ours each is, and what is not.
SELECT payout_line.line_ref, payout_line.kind, payout_line.order_ref, payout_line.listing_ref, payout_line.amount_minor,
    payout_line.currency, payout_line.booked_at, line_verdict.judged_at, line_verdict.booked_minor,
    line_verdict.rounding_minor, line_verdict.transaction_id, discrepancy.discrepancy_id,
    discrepancy.kind AS discrepancy, discrepancy.left_minor, discrepancy.state,
    coalesce(cleared.refs, '{}') AS matched_refs, coalesce(cleared.amount_minor, 0)::bigint AS matched_minor
FROM payout_line
LEFT JOIN line_verdict ON line_verdict.channel_id = payout_line.channel_id
    AND line_verdict.line_ref = payout_line.line_ref
LEFT JOIN discrepancy ON discrepancy.channel_id = payout_line.channel_id AND discrepancy.line_ref = payout_line.line_ref
LEFT JOIN LATERAL (
    SELECT sum(clearing.amount_minor) AS amount_minor,
        array_agg(DISTINCT due.order_ref) FILTER (WHERE due.order_ref IS NOT NULL) AS refs
    FROM clearing
    JOIN due ON due.due_id = clearing.due_id
    WHERE clearing.channel_id = payout_line.channel_id AND clearing.line_ref = payout_line.line_ref
) cleared ON true
WHERE payout_line.statement_id = $1::int
    AND (payout_line.booked_at, payout_line.line_ref) > (coalesce($2::timestamptz, '-infinity'), coalesce($3::text, ''))
ORDER BY payout_line.booked_at, payout_line.line_ref
LIMIT $4::int

-- name: discrepancies
SELECT discrepancy.discrepancy_id, channel.name AS channel, discrepancy.kind, discrepancy.order_ref,
    discrepancy.listing_ref, discrepancy.line_ref, discrepancy.ours_minor, discrepancy.theirs_minor,
    discrepancy.difference_minor, discrepancy.left_minor, discrepancy.currency, discrepancy.at, discrepancy.opened_at,
    extract(epoch FROM coalesce(discrepancy.resolved_at, $1::timestamptz) - discrepancy.opened_at)::float8
        AS age_seconds,
    discrepancy.owner, discrepancy.state, discrepancy.resolution, discrepancy.reason, discrepancy.resolved_by,
    discrepancy.resolved_at
FROM discrepancy
JOIN channel ON channel.channel_id = discrepancy.channel_id
WHERE ($2::text IS NULL OR discrepancy.state = $2::text)
    AND ($3::text IS NULL OR channel.name = $3::text)
    AND ($4::text IS NULL OR discrepancy.kind = $4::text)
    AND ($5::text IS NULL OR discrepancy.owner = $5::text)
    AND ($6::bigint IS NULL OR discrepancy.discrepancy_id = $6::bigint)
    AND ($7::bigint IS NULL OR discrepancy.discrepancy_id < $7::bigint)
ORDER BY discrepancy.discrepancy_id DESC
LIMIT $8::int

-- name: discrepancy_sums
SELECT channel.name AS channel, discrepancy.currency, count(*)::bigint AS open,
    sum(discrepancy.left_minor)::bigint AS left_minor, min(discrepancy.opened_at) AS oldest_at,
    count(*) FILTER (WHERE discrepancy.owner IS NULL)::bigint AS unowned
FROM discrepancy
JOIN channel ON channel.channel_id = discrepancy.channel_id
WHERE discrepancy.state = 'open'
GROUP BY channel.name, discrepancy.currency
ORDER BY channel.name, discrepancy.currency

-- name: discrepancy_events
SELECT what, amount_minor, transaction_id, actor, reason, at
FROM discrepancy_event
WHERE discrepancy_id = $1::bigint
ORDER BY event_id
