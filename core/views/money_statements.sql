-- Channels side by side: what each told, and what of it is ours.

-- name: statement_months
-- By channel, month and currency, for $1 or all channels, since $2: what was told, what of it waits or differs, what
-- should have been told, and what may still come.
WITH told AS (
    SELECT payout_line.channel_id, date_trunc('month', payout_line.booked_at AT TIME ZONE 'UTC')::date AS month,
        payout_line.currency, count(*) AS lines, sum(payout_line.amount_minor) AS told_minor,
        count(line_waiting.line_ref) AS waiting,
        sum(payout_line.amount_minor) FILTER (WHERE line_waiting.line_ref IS NOT NULL) AS waiting_minor,
        count(discrepancy.discrepancy_id) AS open, sum(discrepancy.left_minor) AS open_minor
    FROM payout_line
    LEFT JOIN line_waiting ON line_waiting.channel_id = payout_line.channel_id
        AND line_waiting.line_ref = payout_line.line_ref
    LEFT JOIN discrepancy ON discrepancy.channel_id = payout_line.channel_id
        AND discrepancy.line_ref = payout_line.line_ref
        AND discrepancy.state = 'open'
    WHERE payout_line.booked_at >= $2::timestamptz
    GROUP BY 1, 2, 3
),
-- Ours that the channel has not told: late where a discrepancy says so, else still expected.
untold AS (
    SELECT due.channel_id, date_trunc('month', due.at AT TIME ZONE 'UTC')::date AS month, due.currency,
        count(discrepancy.discrepancy_id) AS late, -sum(discrepancy.left_minor) AS late_minor,
        sum(due.left_minor) FILTER (WHERE discrepancy.discrepancy_id IS NULL) AS expected_minor
    FROM due
    LEFT JOIN discrepancy ON discrepancy.discrepancy_id = due.discrepancy_id AND discrepancy.state = 'open'
    WHERE due.left_minor <> 0 AND due.at >= $2::timestamptz
    GROUP BY 1, 2, 3
)
SELECT channel.name AS channel, side.month, side.currency, coalesce(side.lines, 0)::bigint AS lines,
    coalesce(side.told_minor, 0)::bigint AS told_minor, coalesce(side.waiting, 0)::bigint AS waiting,
    coalesce(side.waiting_minor, 0)::bigint AS waiting_minor, coalesce(side.open, 0)::bigint AS open,
    coalesce(side.open_minor, 0)::bigint AS open_minor, coalesce(side.late, 0)::bigint AS late,
    coalesce(side.late_minor, 0)::bigint AS late_minor, coalesce(side.expected_minor, 0)::bigint AS expected_minor
FROM (SELECT * FROM told FULL JOIN untold USING (channel_id, month, currency)) side
JOIN channel ON channel.channel_id = side.channel_id
WHERE $1::text IS NULL OR channel.name = $1::text
ORDER BY side.month DESC, channel.name, side.currency
