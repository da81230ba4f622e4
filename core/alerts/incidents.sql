-- name: try_alone
-- One daemon looks at a time; the others need not look at all. Held until the transaction ends.
SELECT pg_try_advisory_xact_lock(7704, 1)

-- name: hold_planner
-- For this transaction only. What is counted shelf by shelf must be looked up, however small a table seemed when it
-- was last analysed: after a great import or withdrawal, reading it whole for each shelf took minutes.
SELECT set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true)

-- name: database_time
SELECT now()

-- name: due_measures
-- Those that were not measured for their interval, less a little, since sweeps never come at the very second.
SELECT asked.measure
FROM unnest($1::text[], $2::float8[]) asked(measure, seconds)
LEFT JOIN alert_measured ON alert_measured.measure = asked.measure
WHERE alert_measured.measured_at IS NULL
    OR alert_measured.measured_at <= $3::timestamptz - asked.seconds * 0.9 * interval '1 second'
    -- A clock that was put back must not silence alerts until it has caught up.
    OR alert_measured.measured_at > $3::timestamptz + interval '1 second'

-- name: note_measured
INSERT INTO alert_measured (measure, measured_at)
SELECT unnest($1::text[]), $2::timestamptz
ON CONFLICT ON CONSTRAINT alert_measured_key DO UPDATE SET measured_at = excluded.measured_at

-- name: standings
-- How everything stands with these rules: waiting to be raised, or raised and open.
SELECT alert_pending.rule, alert_pending.subject, alert_pending.since, NULL::bigint AS incident_id,
    NULL::timestamptz AS told_at, false AS acknowledged
FROM alert_pending
WHERE alert_pending.rule = ANY ($1::text[])
UNION ALL
SELECT incident.rule, incident.subject, incident.crossed_at, incident.incident_id,
    coalesce(incident.reminded_at, incident.opened_at), incident.acknowledged_at IS NOT NULL
FROM incident
WHERE incident.closed_at IS NULL AND incident.rule = ANY ($1::text[])

-- name: wait
INSERT INTO alert_pending (rule, subject, since)
SELECT waiting.rule, waiting.subject, waiting.since
FROM unnest($1::text[], $2::text[], $3::timestamptz[]) waiting(rule, subject, since)
ON CONFLICT ON CONSTRAINT alert_pending_key DO NOTHING

-- name: stop_waiting
DELETE FROM alert_pending
USING unnest($1::text[], $2::text[]) calmed(rule, subject)
WHERE alert_pending.rule = calmed.rule AND alert_pending.subject = calmed.subject

-- name: raise_incident
INSERT INTO incident (rule, metric, subject, severity, cross_line, clear_line, first_value, last_value, facts,
    crossed_at, opened_at, seen_at)
VALUES ($1::text, $2::text, $3::text, $4::text, $5::float8, $6::float8, $7::float8, $7::float8, $8::jsonb,
    $9::timestamptz, $10::timestamptz, $10::timestamptz)
RETURNING incident_id

-- name: keep_incidents
-- What still stands over its line, as it is now. Written where it changed, and now and then to show that it was seen.
UPDATE incident
SET last_value = kept.value, facts = kept.facts::jsonb, seen_at = $4::timestamptz
FROM unnest($1::bigint[], $2::float8[], $3::text[]) kept(incident_id, value, facts)
WHERE incident.incident_id = kept.incident_id
    AND (incident.last_value <> kept.value OR incident.seen_at < $4::timestamptz - interval '5 minutes')

-- name: close_incident
UPDATE incident
SET closed_at = $2::timestamptz, closed_why = $3::text, seen_at = $2::timestamptz,
    last_value = coalesce($4::float8, last_value)
WHERE incident_id = $1::bigint AND closed_at IS NULL

-- name: remind
UPDATE incident SET reminders = reminders + 1, reminded_at = $2::timestamptz
WHERE incident_id = $1::bigint
RETURNING reminders

-- name: withdraw
-- Incidents of rules that nobody has any more: told to nobody, and only after all daemons have had time to agree.
UPDATE incident
SET closed_at = $2::timestamptz, closed_why = 'withdrawn'
WHERE closed_at IS NULL AND rule <> ALL ($1::text[]) AND seen_at < $2::timestamptz - interval '1 hour'

-- name: forget_waiting
DELETE FROM alert_pending WHERE rule <> ALL ($1::text[]) AND since < $2::timestamptz - interval '1 day'

-- name: write_notices
INSERT INTO alert_notice (incident_id, kind, turn, route, value, facts, at, due_at)
SELECT told.incident_id, told.kind, told.turn, told.route, told.value, told.facts::jsonb, $8::timestamptz, told.due_at
FROM unnest($1::bigint[], $2::text[], $3::smallint[], $4::text[], $5::float8[], $6::text[], $7::timestamptz[])
    told(incident_id, kind, turn, route, value, facts, due_at)

-- name: told_routes
-- Who was told that these incidents began: those, and nobody else, are told of their end.
SELECT DISTINCT incident_id, route FROM alert_notice WHERE incident_id = ANY ($1::bigint[]) AND kind = 'raised'

-- name: lock_incident
SELECT incident_id, rule, subject, closed_at, acknowledged_at, acknowledged_by
FROM incident
WHERE incident_id = $1::bigint
FOR UPDATE

-- name: acknowledge
UPDATE incident
SET acknowledged_at = $2::timestamptz, acknowledged_by = $3::text, acknowledged_reason = $4::text
WHERE incident_id = $1::bigint
