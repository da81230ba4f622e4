-- What stands over the policy: kill switches, the guard against the channels' penalties, and drift.

-- What is stopped now; a row is there while it is. Everything has no subject of its own.
CREATE TABLE kill_switch (
    scope text NOT NULL,
    subject_id int NOT NULL,
    actor text NOT NULL,
    reason text NOT NULL,
    stopped_at timestamptz NOT NULL,
    CONSTRAINT kill_switch_key PRIMARY KEY (scope, subject_id),
    CONSTRAINT kill_switch_scope CHECK (scope IN ('everything', 'channel', 'sku')),
    CONSTRAINT kill_switch_subject CHECK ((scope = 'everything') = (subject_id = 0)),
    CONSTRAINT kill_switch_reason_written CHECK (reason <> '')
);

CREATE TABLE switch_event (
    event_id bigint GENERATED ALWAYS AS IDENTITY,
    scope text NOT NULL,
    subject_id int NOT NULL,
    stopped boolean NOT NULL,
    actor text NOT NULL,
    reason text NOT NULL,
    at timestamptz NOT NULL,
    CONSTRAINT switch_event_key PRIMARY KEY (event_id),
    CONSTRAINT switch_event_scope CHECK (scope IN ('everything', 'channel', 'sku')),
    CONSTRAINT switch_event_reason_written CHECK (reason <> '')
);

CREATE TRIGGER switch_event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON switch_event
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- How each thing that a guarded channel asked of us ended. A failure that was mended when the channel asked again
-- counts as completed, as it does there; what is older than any line's window is cleared away.
CREATE TABLE guard_outcome (
    channel_id int NOT NULL,
    asked text NOT NULL,
    order_ref text NOT NULL,
    listing_id int NOT NULL,
    ok boolean NOT NULL,
    at timestamptz NOT NULL,
    CONSTRAINT guard_outcome_key PRIMARY KEY (channel_id, asked, order_ref, listing_id),
    CONSTRAINT guard_outcome_asked CHECK (asked IN ('reserve', 'provide', 'deliver'))
);

CREATE INDEX guard_outcome_by_time ON guard_outcome (channel_id, asked, listing_id, at);

-- Sums are only worked out where something failed, which is rare.
CREATE INDEX guard_outcome_failed ON guard_outcome (channel_id, asked, at) WHERE NOT ok;

-- Each time the guard closed offers: a whole channel, or one listing of it.
CREATE TABLE guard_trip (
    trip_id bigint GENERATED ALWAYS AS IDENTITY,
    channel_id int NOT NULL,
    listing_id int,
    -- The line that came near: what was asked, how failures are weighed, and where it is.
    line text NOT NULL,
    why text NOT NULL,
    closed_at timestamptz NOT NULL,
    opened_at timestamptz,
    -- Who opened it: the guard itself, or a person, and then failures before that count no more.
    opened_by text,
    opened_why text,
    CONSTRAINT guard_trip_key PRIMARY KEY (trip_id),
    CONSTRAINT guard_trip_of_channel FOREIGN KEY (channel_id) REFERENCES channel,
    CONSTRAINT guard_trip_opened CHECK ((opened_at IS NULL) = (opened_by IS NULL))
);

CREATE UNIQUE INDEX guard_trip_once ON guard_trip (channel_id, coalesce(listing_id, 0), line)
    WHERE opened_at IS NULL;
CREATE INDEX guard_trip_by_channel ON guard_trip (channel_id, closed_at);

-- What was seen to differ from what we know the channel was told, and what was done about it. A row that asks
-- waits for a person until it is decided.
CREATE TABLE drift (
    drift_id bigint GENERATED ALWAYS AS IDENTITY,
    channel_id int NOT NULL,
    listing_ref text NOT NULL,
    -- None where the channel shows a listing that we do not know.
    listing_id int,
    what text NOT NULL,
    kind text NOT NULL,
    action text NOT NULL,
    asks boolean NOT NULL,
    why text NOT NULL,
    published text NOT NULL,
    observed text NOT NULL,
    times int NOT NULL DEFAULT 1,
    seen_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    decision text,
    decided_at timestamptz,
    decided_by text,
    decided_why text,
    CONSTRAINT drift_key PRIMARY KEY (drift_id),
    CONSTRAINT drift_of_channel FOREIGN KEY (channel_id) REFERENCES channel,
    CONSTRAINT drift_what CHECK (what IN ('quantity', 'price', 'switch', 'listing')),
    CONSTRAINT drift_action CHECK (action IN ('repair', 'adopt', 'hold', 'leave')),
    CONSTRAINT drift_decision CHECK (decision IN ('repair', 'adopt', 'dismiss')),
    CONSTRAINT drift_decided CHECK ((decision IS NULL) = (decided_at IS NULL))
);

CREATE UNIQUE INDEX drift_asked_once ON drift (channel_id, listing_ref, what) WHERE asks AND decision IS NULL;
CREATE INDEX drift_by_listing ON drift (listing_id, seen_at);
CREATE INDEX drift_by_time ON drift (seen_at);
CREATE INDEX drift_by_ref ON drift (channel_id, listing_ref);

-- What a listing shows because somebody set it at the channel: it is wanted so until it is cleared. A quantity is
-- an upper limit only, and a price is never under the floor.
CREATE TABLE adoption (
    listing_id int NOT NULL,
    what text NOT NULL,
    -- Units, or the price as the buyer sees it and as we are paid.
    amount bigint NOT NULL,
    net_minor bigint,
    actor text NOT NULL,
    reason text NOT NULL,
    adopted_at timestamptz NOT NULL,
    CONSTRAINT adoption_key PRIMARY KEY (listing_id, what),
    CONSTRAINT adoption_of_listing FOREIGN KEY (listing_id) REFERENCES listing,
    CONSTRAINT adoption_what CHECK (what IN ('quantity', 'price', 'switch')),
    CONSTRAINT adoption_amount CHECK (amount >= 0)
);

ALTER TABLE offer
    -- Told before all others: it has to go off.
    ADD COLUMN urgent boolean NOT NULL DEFAULT false,
    -- What the channel had acknowledged before the last acknowledgement: showing that means it lost the last.
    ADD COLUMN before_quantity int,
    ADD COLUMN before_price_minor bigint,
    ADD COLUMN before_net_minor bigint,
    ADD COLUMN before_on boolean;
