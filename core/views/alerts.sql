-- The alert inbox: what stands, what stood, what was told of it to whom, and what could not be told.

-- name: inbox
-- Newest first. $1: 'open', 'closed', or all; $2: a severity or all; $3: only below this id; $4: only this subject.
SELECT incident.incident_id, incident.rule, incident.metric, incident.subject, incident.severity,
    incident.cross_line AS "cross", incident.clear_line AS "clear", incident.first_value, incident.last_value,
    incident.facts, incident.crossed_at, incident.opened_at, incident.seen_at, incident.reminders,
    incident.acknowledged_at, incident.acknowledged_by, incident.acknowledged_reason, incident.closed_at,
    incident.closed_why
FROM incident
WHERE ($1::text IS NULL OR ($1::text = 'open') = (incident.closed_at IS NULL))
    AND ($2::text IS NULL OR incident.severity = $2::text)
    AND ($3::bigint IS NULL OR incident.incident_id < $3::bigint)
    AND ($4::text IS NULL OR incident.subject = $4::text)
    AND ($5::bigint IS NULL OR incident.incident_id = $5::bigint)
ORDER BY incident.incident_id DESC
LIMIT $6::int

-- name: counts
-- How many stand, by severity, and how many of those nobody has seen.
SELECT incident.severity, count(*)::bigint AS open,
    count(*) FILTER (WHERE incident.acknowledged_at IS NULL)::bigint AS unseen
FROM incident
WHERE incident.closed_at IS NULL
GROUP BY incident.severity

-- name: notices
-- What was told of an incident, to whom, and what became of it. Without a message yet it waits.
SELECT alert_notice.kind, alert_notice.turn, alert_notice.route, alert_notice.at, alert_notice.due_at,
    alert_message.message_id, coalesce(alert_message.state, 'waiting') AS state,
    coalesce(alert_message.attempts, 0) AS attempts, coalesce(alert_message.doubtful, false) AS doubtful,
    alert_message.ended_at, coalesce(alert_message.error, '') AS error
FROM alert_notice
LEFT JOIN alert_message ON alert_message.message_id = alert_notice.message_id
WHERE alert_notice.incident_id = $1::bigint
ORDER BY alert_notice.notice_id

-- name: messages
-- Messages in a state, newest first.
SELECT alert_message.message_id, alert_message.route, alert_message.severity, alert_message.title,
    alert_message.body, alert_message.state, alert_message.attempts, alert_message.doubtful, alert_message.error,
    alert_message.written_at, alert_message.due_at, alert_message.ended_at,
    ARRAY(
        SELECT DISTINCT alert_notice.incident_id
        FROM alert_notice
        WHERE alert_notice.message_id = alert_message.message_id
        ORDER BY alert_notice.incident_id
    ) AS incident_ids
FROM alert_message
WHERE alert_message.state = $1::text
ORDER BY alert_message.message_id DESC
LIMIT $2::int
