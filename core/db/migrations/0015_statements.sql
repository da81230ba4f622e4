-- What channels tell of our money, held line by line against what we posted.

-- What a line clears, what a channel paid to our bank, and what differs, beside what sales and people post.
ALTER TABLE journal_transaction DROP CONSTRAINT journal_transaction_kind;
ALTER TABLE journal_transaction ADD CONSTRAINT journal_transaction_kind CHECK (kind IN (
    'sale', 'refund', 'release', 'lapse', 'redemption', 'budget', 'settlement', 'fx', 'clearing', 'payout',
    'discrepancy', 'correction'
));

-- Transactions are written in the order of time but for what waits to be committed, so blocks of them are enough
-- to find what is new, and cost the sales next to nothing.
CREATE INDEX journal_transaction_by_time ON journal_transaction USING brin (posted_at) WITH (autosummarize = on);

-- How a file of a channel's is read; what was saved stays, a change is the next version.
CREATE TABLE statement_mapping (
    mapping_id int GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    version int NOT NULL,
    mapping jsonb NOT NULL,
    saved_by text NOT NULL,
    saved_at timestamptz NOT NULL,
    CONSTRAINT statement_mapping_key PRIMARY KEY (mapping_id),
    CONSTRAINT statement_mapping_version_once UNIQUE (name, version)
);

CREATE TRIGGER statement_mapping_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON statement_mapping
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A file that was imported, or a month that was pulled.
CREATE TABLE statement (
    statement_id int GENERATED ALWAYS AS IDENTITY,
    channel_id int NOT NULL,
    source text NOT NULL,
    name text NOT NULL,
    -- Of the file's bytes: the same file again is the same statement.
    digest text NOT NULL DEFAULT '',
    mapping_id int,
    opened_by text NOT NULL,
    opened_at timestamptz NOT NULL,
    CONSTRAINT statement_key PRIMARY KEY (statement_id),
    CONSTRAINT statement_once UNIQUE (channel_id, source, name, digest),
    CONSTRAINT statement_of_channel FOREIGN KEY (channel_id) REFERENCES channel,
    CONSTRAINT statement_of_mapping FOREIGN KEY (mapping_id) REFERENCES statement_mapping,
    CONSTRAINT statement_source CHECK (source IN ('pulled', 'imported')),
    CONSTRAINT statement_mapped CHECK ((source = 'imported') = (mapping_id IS NOT NULL))
);

CREATE TRIGGER statement_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON statement
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

INSERT INTO statement (channel_id, source, name, opened_by, opened_at)
SELECT payout_line.channel_id, 'pulled', to_char(payout_line.booked_at AT TIME ZONE 'UTC', 'YYYY-MM'), 'migration',
    min(payout_line.seen_at)
FROM payout_line
GROUP BY payout_line.channel_id, to_char(payout_line.booked_at AT TIME ZONE 'UTC', 'YYYY-MM');

-- The statement that told a line first.
ALTER TABLE payout_line ADD COLUMN statement_id int;
ALTER TABLE payout_line DISABLE TRIGGER payout_line_append_only;
UPDATE payout_line
SET statement_id = statement.statement_id
FROM statement
WHERE statement.channel_id = payout_line.channel_id
    AND statement.name = to_char(payout_line.booked_at AT TIME ZONE 'UTC', 'YYYY-MM');
ALTER TABLE payout_line ENABLE TRIGGER payout_line_append_only;
ALTER TABLE payout_line ADD CONSTRAINT payout_line_of_statement FOREIGN KEY (statement_id) REFERENCES statement;

CREATE INDEX payout_line_by_time ON payout_line (channel_id, booked_at);
CREATE INDEX payout_line_by_statement ON payout_line (statement_id);

-- Lines that are not judged yet. Work, not truth: what is judged has a verdict.
CREATE TABLE line_waiting (
    channel_id int NOT NULL,
    line_ref text NOT NULL,
    booked_at timestamptz NOT NULL,
    CONSTRAINT line_waiting_key PRIMARY KEY (channel_id, line_ref)
);

CREATE INDEX line_waiting_by_time ON line_waiting (channel_id, booked_at, line_ref);

INSERT INTO line_waiting (channel_id, line_ref, booked_at)
SELECT channel_id, line_ref, booked_at FROM payout_line;

-- What a channel should tell of each of our transactions: its price, and its fee. `left_minor` is what is not
-- told, taken for missing and settled, or settled by a person yet; only that and the discrepancy ever change.
CREATE TABLE due (
    due_id bigint GENERATED ALWAYS AS IDENTITY,
    channel_id int NOT NULL,
    transaction_id bigint NOT NULL,
    kind text NOT NULL,
    order_ref text,
    listing_ref text,
    amount_minor bigint NOT NULL,
    unit_minor bigint NOT NULL,
    left_minor bigint NOT NULL,
    currency text NOT NULL,
    at timestamptz NOT NULL,
    discrepancy_id bigint,
    CONSTRAINT due_key PRIMARY KEY (due_id),
    CONSTRAINT due_once UNIQUE (transaction_id, kind, currency),
    CONSTRAINT due_kind CHECK (kind IN ('sale', 'fee', 'refund', 'fee_back')),
    CONSTRAINT due_sign CHECK (amount_minor <> 0 AND (kind IN ('sale', 'fee_back')) = (amount_minor > 0)),
    -- Nothing is matched twice.
    CONSTRAINT due_left CHECK (left_minor BETWEEN least(0, amount_minor) AND greatest(0, amount_minor))
);

CREATE INDEX due_by_order ON due (channel_id, order_ref);
CREATE INDEX due_open ON due (channel_id, at) WHERE left_minor <> 0;

-- Where the money of each line went; a line is judged once.
CREATE TABLE line_verdict (
    channel_id int NOT NULL,
    line_ref text NOT NULL,
    -- None for a line of no money.
    transaction_id bigint,
    booked_minor bigint NOT NULL,
    rounding_minor bigint NOT NULL,
    discrepancy_minor bigint NOT NULL,
    judged_at timestamptz NOT NULL,
    CONSTRAINT line_verdict_key PRIMARY KEY (channel_id, line_ref)
);

CREATE TRIGGER line_verdict_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON line_verdict
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The part of a line that is a part of a due. A line of a discrepancy may be matched later, by another transaction.
CREATE TABLE clearing (
    clearing_id bigint GENERATED ALWAYS AS IDENTITY,
    channel_id int NOT NULL,
    line_ref text NOT NULL,
    due_id bigint NOT NULL,
    amount_minor bigint NOT NULL,
    -- None where it only moved from one side of the discrepancy account to the other.
    transaction_id bigint,
    CONSTRAINT clearing_key PRIMARY KEY (clearing_id),
    CONSTRAINT clearing_once UNIQUE (channel_id, line_ref, due_id, transaction_id),
    CONSTRAINT clearing_not_zero CHECK (amount_minor <> 0)
);

CREATE INDEX clearing_by_due ON clearing (due_id);

CREATE TRIGGER clearing_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON clearing
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A difference that a person, or a late line, has to settle. Difference and what is left of it are theirs less ours,
-- and stand on the channel's discrepancy account with the other sign.
CREATE TABLE discrepancy (
    discrepancy_id bigint GENERATED ALWAYS AS IDENTITY,
    channel_id int NOT NULL,
    kind text NOT NULL,
    -- The line that is not ours, or else what was due and not told.
    line_ref text,
    due_id bigint,
    order_ref text,
    listing_ref text,
    ours_minor bigint NOT NULL,
    theirs_minor bigint NOT NULL,
    difference_minor bigint NOT NULL,
    left_minor bigint NOT NULL,
    currency text NOT NULL,
    -- When the line was booked, or ours was posted.
    at timestamptz NOT NULL,
    transaction_id bigint NOT NULL,
    opened_at timestamptz NOT NULL,
    owner text,
    state text NOT NULL DEFAULT 'open',
    resolution text,
    reason text,
    resolved_by text,
    resolved_at timestamptz,
    CONSTRAINT discrepancy_key PRIMARY KEY (discrepancy_id),
    CONSTRAINT discrepancy_of_channel FOREIGN KEY (channel_id) REFERENCES channel,
    CONSTRAINT discrepancy_of_one CHECK ((line_ref IS NULL) <> (due_id IS NULL)),
    CONSTRAINT discrepancy_sum CHECK (difference_minor = theirs_minor - ours_minor AND difference_minor <> 0),
    CONSTRAINT discrepancy_left CHECK (
        left_minor BETWEEN least(0, difference_minor) AND greatest(0, difference_minor)
    ),
    CONSTRAINT discrepancy_state CHECK (state IN ('open', 'resolved') AND (state = 'open') = (left_minor <> 0)),
    CONSTRAINT discrepancy_resolved CHECK (
        (state = 'open') = (resolution IS NULL) AND (state = 'open') = (resolved_at IS NULL)
        AND (state = 'open' OR (reason <> '' AND resolved_by <> ''))
    ),
    CONSTRAINT discrepancy_resolution CHECK (resolution IN ('matched', 'fee', 'write_off', 'bank', 'pair'))
);

CREATE UNIQUE INDEX discrepancy_of_line_once ON discrepancy (channel_id, line_ref) WHERE line_ref IS NOT NULL;
CREATE UNIQUE INDEX discrepancy_of_due_once ON discrepancy (due_id) WHERE due_id IS NOT NULL;
CREATE INDEX discrepancy_open ON discrepancy (channel_id, opened_at) WHERE state = 'open';
CREATE INDEX discrepancy_by_order ON discrepancy (channel_id, order_ref) WHERE state = 'open';

-- What became of a discrepancy, step by step.
CREATE TABLE discrepancy_event (
    event_id bigint GENERATED ALWAYS AS IDENTITY,
    discrepancy_id bigint NOT NULL,
    what text NOT NULL,
    -- What it took off the difference, and by which transaction; a pair needs none.
    amount_minor bigint NOT NULL DEFAULT 0,
    transaction_id bigint,
    actor text NOT NULL,
    reason text NOT NULL,
    at timestamptz NOT NULL,
    CONSTRAINT discrepancy_event_key PRIMARY KEY (event_id),
    CONSTRAINT discrepancy_event_of FOREIGN KEY (discrepancy_id) REFERENCES discrepancy,
    CONSTRAINT discrepancy_event_reason_written CHECK (reason <> '')
);

CREATE INDEX discrepancy_event_by_discrepancy ON discrepancy_event (discrepancy_id);

CREATE TRIGGER discrepancy_event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON discrepancy_event
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
