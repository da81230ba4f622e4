-- What is worth a person's attention: what stands over a line, what was told of it, and how the telling went.

-- When each thing was last measured, so that many daemons measure it as often as one.
CREATE TABLE alert_measured (
    measure text NOT NULL,
    measured_at timestamptz NOT NULL,
    CONSTRAINT alert_measured_key PRIMARY KEY (measure)
);

-- Lines that are crossed, but not yet for as long as their rule asks.
CREATE TABLE alert_pending (
    rule text NOT NULL,
    subject text NOT NULL,
    since timestamptz NOT NULL,
    CONSTRAINT alert_pending_key PRIMARY KEY (rule, subject)
);

-- A line that was crossed and held; open until it is cleared. The lines are kept as they were at the crossing.
CREATE TABLE incident (
    incident_id bigint GENERATED ALWAYS AS IDENTITY,
    rule text NOT NULL,
    metric text NOT NULL,
    subject text NOT NULL,
    severity text NOT NULL,
    cross_line float8 NOT NULL,
    clear_line float8 NOT NULL,
    first_value float8 NOT NULL,
    last_value float8 NOT NULL,
    facts jsonb NOT NULL,
    crossed_at timestamptz NOT NULL,
    opened_at timestamptz NOT NULL,
    -- When a daemon that knows the rule last looked: two daemons with different settings must not quarrel.
    seen_at timestamptz NOT NULL,
    reminders smallint NOT NULL DEFAULT 0,
    reminded_at timestamptz,
    acknowledged_at timestamptz,
    acknowledged_by text,
    acknowledged_reason text,
    closed_at timestamptz,
    closed_why text,
    CONSTRAINT incident_key PRIMARY KEY (incident_id),
    CONSTRAINT incident_severity CHECK (severity IN ('info', 'warning', 'critical')),
    CONSTRAINT incident_acknowledged_whole CHECK (
        (acknowledged_at IS NULL) = (acknowledged_by IS NULL)
        AND (acknowledged_at IS NULL) = (acknowledged_reason IS NULL)
    ),
    CONSTRAINT incident_closed_whole CHECK ((closed_at IS NULL) = (closed_why IS NULL)),
    CONSTRAINT incident_closed_why CHECK (closed_why IN ('recovered', 'gone', 'withdrawn'))
);

-- However many daemons look: nothing is raised again before it was cleared.
CREATE UNIQUE INDEX incident_open_once ON incident (rule, subject) WHERE closed_at IS NULL;

-- A message as one route gets it: one notice, or a digest of many. Its text is fixed when it is written, so that
-- every attempt says the same.
CREATE TABLE alert_message (
    message_id bigint GENERATED ALWAYS AS IDENTITY,
    route text NOT NULL,
    severity text NOT NULL,
    title text NOT NULL,
    body text NOT NULL,
    state text NOT NULL DEFAULT 'waiting',
    attempts int NOT NULL DEFAULT 0,
    -- An attempt was made of which nobody knows what became: the next one may be a repetition, and says so.
    doubtful boolean NOT NULL DEFAULT false,
    due_at timestamptz NOT NULL,
    claimed_until timestamptz,
    claimed_by text,
    error text NOT NULL DEFAULT '',
    written_at timestamptz NOT NULL,
    ended_at timestamptz,
    CONSTRAINT alert_message_key PRIMARY KEY (message_id),
    CONSTRAINT alert_message_state CHECK (state IN ('waiting', 'sending', 'sent', 'dead')),
    CONSTRAINT alert_message_claimed CHECK ((state = 'sending') = (claimed_until IS NOT NULL)),
    CONSTRAINT alert_message_ended CHECK ((state IN ('sent', 'dead')) = (ended_at IS NOT NULL))
);

CREATE INDEX alert_message_to_do ON alert_message (route, due_at) WHERE state IN ('waiting', 'sending');
CREATE INDEX alert_message_by_route ON alert_message (route, written_at);

-- What is to be told to whom: written in the transaction that opens or closes the incident. Each thing about an
-- incident is told to a route once, which this table's key makes true.
CREATE TABLE alert_notice (
    notice_id bigint GENERATED ALWAYS AS IDENTITY,
    incident_id bigint NOT NULL,
    kind text NOT NULL,
    -- 0, and 1, 2, 3 ... for reminders.
    turn smallint NOT NULL DEFAULT 0,
    route text NOT NULL,
    value float8,
    facts jsonb NOT NULL,
    at timestamptz NOT NULL,
    -- Not before: quiet hours.
    due_at timestamptz NOT NULL,
    message_id bigint,
    CONSTRAINT alert_notice_key PRIMARY KEY (notice_id),
    CONSTRAINT alert_notice_once UNIQUE (incident_id, kind, turn, route),
    CONSTRAINT alert_notice_of_incident FOREIGN KEY (incident_id) REFERENCES incident,
    CONSTRAINT alert_notice_in_message FOREIGN KEY (message_id) REFERENCES alert_message,
    CONSTRAINT alert_notice_kind CHECK (kind IN ('raised', 'recovered', 'gone', 'reminder'))
);

CREATE INDEX alert_notice_to_write ON alert_notice (route, due_at) WHERE message_id IS NULL;
