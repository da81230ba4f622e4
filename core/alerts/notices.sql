-- name: try_alone_writing
-- Two daemons that wrote messages side by side would make two digests of one storm.
SELECT pg_try_advisory_xact_lock(7704, 2)

-- name: due_notices
SELECT alert_notice.notice_id, alert_notice.incident_id, alert_notice.kind, incident.rule, incident.metric,
    incident.subject, incident.severity, incident.cross_line, incident.clear_line, alert_notice.value,
    alert_notice.facts, alert_notice.at, incident.opened_at
FROM alert_notice
JOIN incident ON incident.incident_id = alert_notice.incident_id
WHERE alert_notice.message_id IS NULL AND alert_notice.route = $1::text AND alert_notice.due_at <= $2::timestamptz
ORDER BY alert_notice.notice_id
LIMIT $3::int

-- name: written_since
SELECT written_at FROM alert_message WHERE route = $1::text AND written_at > $2::timestamptz

-- name: write_message
INSERT INTO alert_message (route, severity, title, body, due_at, written_at)
VALUES ($1::text, $2::text, $3::text, $4::text, $5::timestamptz, $5::timestamptz)
RETURNING message_id

-- name: put_in_message
UPDATE alert_notice SET message_id = $2::bigint WHERE notice_id = ANY ($1::bigint[])

-- name: claim
-- One message to send, for as long as the sender may take. A message whose sender never wrote down what became of
-- it was sent or not, nobody knows: it is sent again, and says so.
UPDATE alert_message
SET state = 'sending', attempts = attempts + 1, claimed_by = $2::text,
    claimed_until = $3::timestamptz + $4::float8 * interval '1 second',
    doubtful = doubtful OR state = 'sending'
WHERE message_id = (
    SELECT waiting.message_id
    FROM alert_message waiting
    WHERE waiting.route = ANY ($1::text[])
        AND (
            (waiting.state = 'waiting' AND waiting.due_at <= $3::timestamptz)
            OR (waiting.state = 'sending' AND waiting.claimed_until < $3::timestamptz)
        )
    ORDER BY waiting.due_at, waiting.message_id
    LIMIT 1
    FOR UPDATE SKIP LOCKED
)
RETURNING message_id, route, severity, title, body, attempts, doubtful

-- name: settle
-- Only by the sender who has it still: who was too slow must not undo what another has done since.
UPDATE alert_message
SET state = $4::text, error = $5::text, doubtful = doubtful OR $6::boolean, due_at = $7::timestamptz,
    claimed_until = NULL, claimed_by = NULL,
    ended_at = CASE WHEN $4::text IN ('sent', 'dead') THEN $8::timestamptz END
WHERE message_id = $1::bigint AND state = 'sending' AND claimed_by = $2::text AND attempts = $3::int

-- name: bury
-- Messages for routes that none of the daemons has had for a day.
UPDATE alert_message
SET state = 'dead', error = 'the route is not configured any more', ended_at = $2::timestamptz,
    claimed_until = NULL, claimed_by = NULL
WHERE route <> ALL ($1::text[])
    AND state IN ('waiting', 'sending')
    AND greatest(due_at, claimed_until) < $2::timestamptz - interval '1 day'

-- name: revive
-- Dead messages to be tried again, all of them or some of them.
UPDATE alert_message
SET state = 'waiting', attempts = 0, due_at = $2::timestamptz, ended_at = NULL
WHERE state = 'dead' AND ($1::bigint[] IS NULL OR message_id = ANY ($1::bigint[]))
RETURNING message_id, route

-- name: backlog
SELECT count(*) FILTER (WHERE state IN ('waiting', 'sending'))::bigint AS waiting,
    count(*) FILTER (WHERE state = 'dead')::bigint AS dead
FROM alert_message
WHERE state <> 'sent'
