-- The journal's books: sealed in blocks, summed up by account and month, closed month by month, with its rates.

-- What is added to this server's transaction numbers. A database that is restored into another server meets lower
-- numbers there: `advance_journal_clock` then writes this function anew.
CREATE FUNCTION journal_offset() RETURNS bigint
LANGUAGE sql STABLE AS $$ SELECT 0::bigint $$;

-- The database transaction that is writing, as a number that only rises.
CREATE FUNCTION journal_clock() RETURNS bigint
LANGUAGE sql STABLE AS $$ SELECT pg_current_xact_id()::text::bigint + journal_offset() $$;

-- Whatever was written below this number has been committed or never will be: no transaction below it still runs.
CREATE FUNCTION journal_horizon() RETURNS bigint
LANGUAGE sql STABLE AS $$ SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint + journal_offset() $$;

-- What stands before this file was applied carries a 0 and is sealed first. Ids come from blocks that daemons use up
-- at their own pace and moments are the daemons' own, so neither says what has been looked at; this does.
ALTER TABLE journal_transaction ADD COLUMN written_in bigint NOT NULL DEFAULT 0;
ALTER TABLE journal_transaction ALTER COLUMN written_in SET DEFAULT journal_clock();

-- New keys go to its right end, and those of a group are one entry: next to nothing for the writer.
CREATE INDEX journal_transaction_by_writing ON journal_transaction (written_in);

-- A stretch of one lane's transactions, in the order of (written_in, transaction_id), from the end of the block
-- before to `until`. Each block's hash covers the hash before it, so none can be changed without all after it.
CREATE TABLE journal_block (
    lane smallint NOT NULL,
    block_no int NOT NULL,
    until_written_in bigint NOT NULL,
    until_transaction_id bigint NOT NULL,
    transactions int NOT NULL,
    entries int NOT NULL,
    -- For each transaction in its order: its id in 8 bytes, its digest in 16.
    members bytea NOT NULL,
    previous_hash bytea NOT NULL,
    hash bytea NOT NULL,
    sealed_at timestamptz NOT NULL,
    CONSTRAINT journal_block_key PRIMARY KEY (lane, block_no),
    CONSTRAINT journal_block_members CHECK (transactions > 0 AND octet_length(members) = transactions * 24),
    CONSTRAINT journal_block_hashes CHECK (octet_length(previous_hash) = 32 AND octet_length(hash) = 32)
);

-- Digests do not get smaller by compression.
ALTER TABLE journal_block ALTER COLUMN members SET STORAGE EXTERNAL;

CREATE TRIGGER journal_block_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON journal_block
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- How far sealing has come, in all lanes: whatever stands up to there is in a block. Locked by whoever seals, so daemons never seal the same twice.
CREATE TABLE journal_seal (
    single boolean NOT NULL DEFAULT true,
    written_in bigint NOT NULL,
    transaction_id bigint NOT NULL,
    sealed_at timestamptz NOT NULL,
    CONSTRAINT journal_seal_key PRIMARY KEY (single),
    CONSTRAINT journal_seal_only_one CHECK (single)
) WITH (fillfactor = 50);

INSERT INTO journal_seal (written_in, transaction_id, sealed_at) VALUES (0, -1, to_timestamp(0));

-- What was posted to an account in a month (UTC), of all that is sealed.
CREATE TABLE account_total (
    account_id int NOT NULL,
    period date NOT NULL,
    debit_minor bigint NOT NULL,
    credit_minor bigint NOT NULL,
    entries bigint NOT NULL,
    CONSTRAINT account_total_key PRIMARY KEY (account_id, period),
    CONSTRAINT account_total_of_a_month CHECK (extract(day FROM period) = 1)
) WITH (fillfactor = 50);

-- What was posted and is not sealed yet, summed up the same way. A function so that the planner is held to look-ups
-- (see 0003); it sees what the statement that calls it sees, so totals and tail never overlap.
CREATE FUNCTION journal_tail()
RETURNS TABLE (account_id int, period date, debit_minor bigint, credit_minor bigint, entries bigint)
LANGUAGE plpgsql STABLE
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    v_written_in bigint;
    v_transaction_id bigint;
BEGIN
    SELECT written_in, transaction_id INTO v_written_in, v_transaction_id FROM journal_seal;
    RETURN QUERY
    SELECT written.account_id, date_trunc('month', posted.posted_at AT TIME ZONE 'UTC')::date,
        coalesce(sum(written.amount_minor) FILTER (WHERE written.amount_minor > 0), 0)::bigint,
        coalesce(-sum(written.amount_minor) FILTER (WHERE written.amount_minor < 0), 0)::bigint,
        count(*)
    FROM (
        -- First the transactions, which are few; the planner would take them for a third of all.
        SELECT journal_transaction.transaction_id, journal_transaction.posted_at
        FROM journal_transaction
        WHERE journal_transaction.written_in >= v_written_in
            AND (journal_transaction.written_in, journal_transaction.transaction_id)
                > (v_written_in, v_transaction_id)
        OFFSET 0
    ) posted
    CROSS JOIN LATERAL (
        SELECT entry.account_id, entry.amount_minor
        FROM entry
        WHERE entry.transaction_id = posted.transaction_id
        OFFSET 0
    ) written
    GROUP BY 1, 2;
END $$;

-- A journal in another server than it was sealed in: carry its numbers on from where they were. Called before
-- anybody writes; says whether it had to.
CREATE FUNCTION advance_journal_clock() RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    v_behind bigint;
BEGIN
    -- With an id, more of the same number may be to come; without one (-1), the number itself comes next.
    SELECT written_in + (transaction_id >= 0)::int - journal_horizon() INTO v_behind FROM journal_seal;
    IF v_behind <= 0 THEN
        RETURN false;
    END IF;
    PERFORM 1 FROM journal_seal FOR UPDATE;
    SELECT greatest(v_behind, coalesce(max(written_in), 0) + 1 - journal_horizon()) INTO v_behind
    FROM journal_transaction;
    EXECUTE format(
        'CREATE OR REPLACE FUNCTION journal_offset() RETURNS bigint LANGUAGE sql STABLE AS $f$ SELECT %s::bigint $f$',
        journal_offset() + v_behind
    );
    RETURN true;
END $$;

-- Months closed and opened again; the last row says until when the journal is closed. Its time is the end of a month.
CREATE TABLE period_change (
    change_no int NOT NULL,
    closed_until timestamptz NOT NULL,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    reason text NOT NULL,
    CONSTRAINT period_change_key PRIMARY KEY (change_no),
    CONSTRAINT period_change_reason_written CHECK (reason <> '')
);

CREATE TRIGGER period_change_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON period_change
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Once for each statement, not for each row: a group of sales asks one row of one small table.
CREATE FUNCTION refuse_closed_period() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    v_closed_until timestamptz;
    v_transaction_id bigint;
BEGIN
    SELECT closed_until INTO v_closed_until FROM period_change ORDER BY change_no DESC LIMIT 1;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    SELECT transaction_id INTO v_transaction_id FROM written WHERE posted_at < v_closed_until LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'transaction % is dated before %, until when the journal is closed',
            v_transaction_id, v_closed_until
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'journal_period_open';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER journal_period_open AFTER INSERT ON journal_transaction
    REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_closed_period();

-- The rates by which a transaction moved money from one currency to another.
CREATE TABLE journal_rate (
    transaction_id bigint NOT NULL,
    -- At which the money was booked before, or at which it was settled.
    role text NOT NULL,
    base text NOT NULL,
    quote text NOT NULL,
    numerator bigint NOT NULL,
    denominator bigint NOT NULL,
    source text NOT NULL,
    valid_at timestamptz NOT NULL,
    CONSTRAINT journal_rate_key PRIMARY KEY (transaction_id, role),
    CONSTRAINT journal_rate_of_transaction FOREIGN KEY (transaction_id) REFERENCES journal_transaction,
    CONSTRAINT journal_rate_role CHECK (role IN ('booked', 'settled')),
    CONSTRAINT journal_rate_positive CHECK (numerator > 0 AND denominator > 0)
);

CREATE TRIGGER journal_rate_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON journal_rate
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
