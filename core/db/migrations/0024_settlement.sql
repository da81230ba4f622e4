-- What we owe payees: collected entry by entry, drawn up in settlements, approved, paid. What is paid never changes.

-- The cycles that were run and those that people asked for; a cycle of a payee is run once.
CREATE TABLE settlement_run (
    run_id bigint GENERATED ALWAYS AS IDENTITY,
    party text NOT NULL,
    party_name text NOT NULL,
    -- Entries dated before this are settled.
    until timestamptz NOT NULL,
    cycle text NOT NULL,
    ran_at timestamptz NOT NULL,
    actor text NOT NULL,
    CONSTRAINT settlement_run_key PRIMARY KEY (run_id),
    CONSTRAINT settlement_run_cycle CHECK (cycle IN ('weekly', 'monthly', 'on demand'))
);

CREATE UNIQUE INDEX settlement_run_once_a_cycle ON settlement_run (party, party_name, until)
    WHERE cycle <> 'on demand';
CREATE INDEX settlement_run_by_payee ON settlement_run (party, party_name, run_id);

CREATE TRIGGER settlement_run_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON settlement_run
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Of one payee's account in one currency. Amounts are what we owe the payee more by it.
CREATE TABLE settlement (
    settlement_id bigint GENERATED ALWAYS AS IDENTITY,
    run_id bigint NOT NULL,
    account_id int NOT NULL,
    until timestamptz NOT NULL,
    -- The one before it, with whose closing balance this one opens.
    previous_id bigint,
    state text NOT NULL,
    entries int NOT NULL,
    opening_minor bigint NOT NULL,
    -- Since the one before was drawn up: payments, and lines of settlements that were withdrawn.
    paid_since_minor bigint NOT NULL,
    freed_since_minor bigint NOT NULL,
    lines_minor bigint NOT NULL,
    closing_minor bigint NOT NULL,
    -- All that the account's payments had settled when this was drawn up.
    paid_before_minor bigint NOT NULL,
    -- Kept back of the lines for refunds to come, and for how long.
    reserve_minor bigint NOT NULL,
    reserve_days int NOT NULL,
    -- Sold, and not payable yet, as it stood when this was drawn up.
    held_minor bigint NOT NULL,
    approvals_needed smallint NOT NULL,
    -- Another currency than the account's, with the rate as it was when this was drawn up.
    paid_in text,
    rate_numerator bigint,
    rate_denominator bigint,
    rate_source text,
    rate_at timestamptz,
    language text NOT NULL,
    drawn_at timestamptz NOT NULL,
    drawn_by text NOT NULL,
    CONSTRAINT settlement_key PRIMARY KEY (settlement_id),
    CONSTRAINT settlement_of_run FOREIGN KEY (run_id) REFERENCES settlement_run,
    CONSTRAINT settlement_of_account FOREIGN KEY (account_id) REFERENCES account,
    CONSTRAINT settlement_after FOREIGN KEY (previous_id) REFERENCES settlement,
    CONSTRAINT settlement_state CHECK (state IN ('draft', 'approved', 'paid', 'withdrawn')),
    CONSTRAINT settlement_sum CHECK (
        closing_minor = opening_minor + paid_since_minor + freed_since_minor + lines_minor
    ),
    CONSTRAINT settlement_positive CHECK (entries > 0 AND lines_minor > 0),
    CONSTRAINT settlement_reserve CHECK (reserve_minor BETWEEN 0 AND lines_minor AND reserve_days >= 0),
    CONSTRAINT settlement_approvals CHECK (approvals_needed BETWEEN 0 AND 2),
    CONSTRAINT settlement_rate_whole CHECK (
        (rate_numerator IS NULL) = (rate_denominator IS NULL)
        AND (rate_numerator IS NULL) = (rate_source IS NULL)
        AND (rate_numerator IS NULL) = (rate_at IS NULL)
        AND (paid_in IS NOT NULL OR rate_numerator IS NULL)
    ),
    CONSTRAINT settlement_language CHECK (language IN ('en', 'zh')),
    CONSTRAINT settlement_drawn_by_somebody CHECK (drawn_by <> '')
);

CREATE INDEX settlement_by_account ON settlement (account_id, settlement_id);
CREATE INDEX settlement_open ON settlement (drawn_at) WHERE state IN ('draft', 'approved');

-- Who has agreed. Nobody twice, and never who drew it up.
CREATE TABLE settlement_approval (
    settlement_id bigint NOT NULL,
    approver text NOT NULL,
    approved_at timestamptz NOT NULL,
    reason text NOT NULL,
    CONSTRAINT settlement_approval_key PRIMARY KEY (settlement_id, approver),
    CONSTRAINT settlement_approval_of FOREIGN KEY (settlement_id) REFERENCES settlement,
    CONSTRAINT settlement_approval_reason_written CHECK (reason <> '')
);

CREATE FUNCTION refuse_own_approval() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT drawn_by = NEW.approver FROM settlement WHERE settlement_id = NEW.settlement_id) THEN
        RAISE EXCEPTION 'settlement % was drawn up by %, who cannot approve it', NEW.settlement_id, NEW.approver
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'settlement_approved_by_another';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER settlement_approved_by_another BEFORE INSERT ON settlement_approval
    FOR EACH ROW EXECUTE FUNCTION refuse_own_approval();
CREATE TRIGGER settlement_approval_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON settlement_approval
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What left our bank for it, and the transactions that say so.
CREATE TABLE settlement_payment (
    settlement_id bigint NOT NULL,
    paid_on timestamptz NOT NULL,
    payment_ref text NOT NULL,
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    -- In that currency: what the rate's movement brought, and what the bank kept.
    gain_minor bigint NOT NULL DEFAULT 0,
    fee_minor bigint NOT NULL DEFAULT 0,
    transaction_id bigint, fx_transaction_id bigint,
    noted_at timestamptz NOT NULL,
    actor text NOT NULL,
    CONSTRAINT settlement_payment_key PRIMARY KEY (settlement_id),
    CONSTRAINT settlement_payment_of FOREIGN KEY (settlement_id) REFERENCES settlement,
    CONSTRAINT settlement_payment_ref_written CHECK (payment_ref <> ''),
    CONSTRAINT settlement_payment_not_negative CHECK (amount_minor >= 0),
    CONSTRAINT settlement_payment_posted CHECK (num_nonnulls(transaction_id, fx_transaction_id) > 0)
);

CREATE TRIGGER settlement_payment_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON settlement_payment
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Only its state ever changes, along these arrows; core/money/settlement/states.py has them, too.
CREATE FUNCTION refuse_settlement_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    v_why text;
BEGIN
    IF to_jsonb(OLD) - 'state' IS DISTINCT FROM to_jsonb(NEW) - 'state' THEN
        v_why := 'only its state changes';
    ELSIF OLD.state || '>' || NEW.state <> ALL (ARRAY[
        'draft>approved', 'draft>withdrawn', 'approved>paid', 'approved>withdrawn'
    ]) THEN
        v_why := OLD.state || ' does not become ' || NEW.state;
    ELSIF NEW.state = 'approved' AND NEW.approvals_needed > (
        SELECT count(*) FROM settlement_approval WHERE settlement_id = NEW.settlement_id
    ) THEN
        v_why := 'approvals are missing';
    ELSIF NEW.state = 'paid' AND NOT EXISTS (
        SELECT FROM settlement_payment WHERE settlement_id = NEW.settlement_id
    ) THEN
        v_why := 'no payment of it is written down';
    END IF;
    IF v_why IS NOT NULL THEN
        RAISE EXCEPTION 'settlement %: %', OLD.settlement_id, v_why
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'settlement_immutable';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER settlement_immutable BEFORE UPDATE ON settlement
    FOR EACH ROW EXECUTE FUNCTION refuse_settlement_change();
CREATE TRIGGER settlement_stays BEFORE DELETE OR TRUNCATE ON settlement
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Every move of a settlement, and who made it.
CREATE TABLE settlement_move (
    settlement_id bigint NOT NULL,
    move_no smallint NOT NULL,
    to_state text NOT NULL,
    moved_at timestamptz NOT NULL,
    actor text NOT NULL,
    reason text NOT NULL,
    CONSTRAINT settlement_move_key PRIMARY KEY (settlement_id, move_no),
    CONSTRAINT settlement_move_of FOREIGN KEY (settlement_id) REFERENCES settlement,
    CONSTRAINT settlement_move_reason_written CHECK (reason <> '')
);

CREATE TRIGGER settlement_move_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON settlement_move
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What a run found of each of a payee's currencies, and what became of it.
CREATE TABLE settlement_outcome (
    run_id bigint NOT NULL,
    currency text NOT NULL,
    -- drawn: a settlement; small: carried over until it is worth a payment; claim: the payee owes us.
    outcome text NOT NULL,
    amount_minor bigint NOT NULL,
    entries int NOT NULL,
    settlement_id bigint,
    CONSTRAINT settlement_outcome_key PRIMARY KEY (run_id, currency),
    CONSTRAINT settlement_outcome_of_run FOREIGN KEY (run_id) REFERENCES settlement_run,
    CONSTRAINT settlement_outcome_of_settlement FOREIGN KEY (settlement_id) REFERENCES settlement,
    CONSTRAINT settlement_outcome_known CHECK (
        outcome IN ('drawn', 'small', 'claim') AND (outcome = 'drawn') = (settlement_id IS NOT NULL)
    )
);

CREATE TRIGGER settlement_outcome_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON settlement_outcome
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What was held when a settlement was drawn up, by the day on which it becomes payable; none: when something happens.
CREATE TABLE settlement_held (
    settlement_id bigint NOT NULL,
    held_no int NOT NULL,
    payable_on date,
    amount_minor bigint NOT NULL,
    CONSTRAINT settlement_held_key PRIMARY KEY (settlement_id, held_no),
    CONSTRAINT settlement_held_of FOREIGN KEY (settlement_id) REFERENCES settlement
);

CREATE TRIGGER settlement_held_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON settlement_held
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What was kept back of a paid settlement, until it becomes payable by an entry of its own.
CREATE TABLE settlement_reserve (
    settlement_id bigint NOT NULL,
    amount_minor bigint NOT NULL,
    due_at timestamptz NOT NULL,
    transaction_id bigint,
    CONSTRAINT settlement_reserve_key PRIMARY KEY (settlement_id),
    CONSTRAINT settlement_reserve_of FOREIGN KEY (settlement_id) REFERENCES settlement,
    CONSTRAINT settlement_reserve_positive CHECK (amount_minor > 0)
);

CREATE INDEX settlement_reserve_due ON settlement_reserve (due_at) WHERE transaction_id IS NULL;

CREATE FUNCTION refuse_reserve_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.transaction_id IS NOT NULL OR to_jsonb(OLD) - 'transaction_id' IS DISTINCT FROM to_jsonb(NEW) - 'transaction_id'
    THEN
        RAISE EXCEPTION 'the reserve of settlement % is released once, and nothing else of it changes', OLD.settlement_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'settlement_reserve_released_once';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER settlement_reserve_released_once BEFORE UPDATE ON settlement_reserve
    FOR EACH ROW EXECUTE FUNCTION refuse_reserve_change();
CREATE TRIGGER settlement_reserve_stays BEFORE DELETE OR TRUNCATE ON settlement_reserve
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What was wrong with a settlement that stands as it is: an entry that the next one takes, and why.
CREATE TABLE settlement_correction (
    transaction_id bigint NOT NULL,
    settlement_id bigint NOT NULL,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    reason text NOT NULL,
    CONSTRAINT settlement_correction_key PRIMARY KEY (transaction_id),
    CONSTRAINT settlement_correction_of FOREIGN KEY (settlement_id) REFERENCES settlement,
    CONSTRAINT settlement_correction_posted FOREIGN KEY (transaction_id) REFERENCES journal_transaction,
    CONSTRAINT settlement_correction_reason_written CHECK (reason <> '')
);

CREATE INDEX settlement_correction_by_settlement ON settlement_correction (settlement_id);

CREATE TRIGGER settlement_correction_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON settlement_correction
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Each entry of what we owe payees, with the settlement it is in: by its key never in two. Nothing else of it changes.
CREATE TABLE payable_entry (
    transaction_id bigint NOT NULL,
    entry_no smallint NOT NULL,
    account_id int NOT NULL,
    -- What we owe more by it: a credit of the account is above zero.
    owed_minor bigint NOT NULL,
    kind text NOT NULL,
    order_id bigint,
    line_no smallint,
    posted_at timestamptz NOT NULL,
    -- Whether it is the payment of its settlement, and no line of it.
    pays boolean NOT NULL,
    settlement_id bigint,
    CONSTRAINT payable_entry_key PRIMARY KEY (transaction_id, entry_no),
    CONSTRAINT payable_entry_of_entry FOREIGN KEY (transaction_id, entry_no) REFERENCES entry,
    CONSTRAINT payable_entry_in FOREIGN KEY (settlement_id) REFERENCES settlement,
    CONSTRAINT payable_entry_payment_settles CHECK (NOT pays OR settlement_id IS NOT NULL)
);

CREATE INDEX payable_entry_open ON payable_entry (account_id, posted_at) WHERE settlement_id IS NULL;
CREATE INDEX payable_entry_by_settlement ON payable_entry (settlement_id, posted_at, transaction_id, entry_no)
    WHERE settlement_id IS NOT NULL;

-- An entry goes into a settlement while that is drawn up, stays there, and comes free when it is withdrawn; a payment
-- goes in when it is made.
CREATE FUNCTION refuse_payable_change() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    v_state text;
    v_fits boolean;
    v_done boolean;
BEGIN
    SELECT state, account_id = NEW.account_id, CASE
        WHEN NEW.pays THEN EXISTS (SELECT FROM settlement_payment paid WHERE paid.settlement_id = held.settlement_id)
        ELSE EXISTS (SELECT FROM settlement_move moved WHERE moved.settlement_id = held.settlement_id)
    END
    INTO v_state, v_fits, v_done
    FROM settlement held
    WHERE held.settlement_id = coalesce(NEW.settlement_id, OLD.settlement_id);
    IF TG_OP = 'INSERT' AND NEW.pays AND v_state = 'approved' AND v_fits AND NOT v_done THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' AND to_jsonb(OLD) - 'settlement_id' = to_jsonb(NEW) - 'settlement_id' AND (
        (OLD.settlement_id IS NULL AND v_state IN ('draft', 'approved') AND v_fits AND NOT v_done)
        OR (NEW.settlement_id IS NULL AND v_state = 'withdrawn')
    ) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'entry % of transaction % stays in its settlement until that is withdrawn',
        NEW.entry_no, NEW.transaction_id
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'payable_entry_immutable';
END $$;

CREATE TRIGGER payable_entry_paid BEFORE INSERT ON payable_entry
    FOR EACH ROW WHEN (NEW.settlement_id IS NOT NULL) EXECUTE FUNCTION refuse_payable_change();
CREATE TRIGGER payable_entry_immutable BEFORE UPDATE ON payable_entry
    FOR EACH ROW EXECUTE FUNCTION refuse_payable_change();
CREATE TRIGGER payable_entry_stays BEFORE DELETE OR TRUNCATE ON payable_entry
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- All that was written below this number (see journal_clock) is collected. Locked by whoever collects.
CREATE TABLE payable_cursor (
    single boolean NOT NULL DEFAULT true,
    written_in bigint NOT NULL,
    CONSTRAINT payable_cursor_key PRIMARY KEY (single),
    CONSTRAINT payable_cursor_only_one CHECK (single)
) WITH (fillfactor = 50);

INSERT INTO payable_cursor (written_in) VALUES (-1);

-- Collects what was committed since, some transactions of it; whether more is left. What is still being written is
-- behind the horizon: it comes with a later call, late but never lost.
CREATE FUNCTION collect_payable(p_most int) RETURNS boolean
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    v_from bigint;
    v_horizon bigint;
    v_until bigint;
BEGIN
    SELECT written_in INTO v_from FROM payable_cursor FOR UPDATE;
    -- In a statement of its own: what it says is committed the next one sees.
    v_horizon := journal_horizon();
    IF v_from >= v_horizon THEN
        RETURN false;
    END IF;
    -- Whole numbers only: those of one database transaction are never parted.
    SELECT posted.written_in INTO v_until
    FROM journal_transaction posted
    WHERE posted.written_in >= v_from AND posted.written_in < v_horizon
    ORDER BY posted.written_in
    OFFSET p_most LIMIT 1;
    v_until := CASE WHEN v_until IS NULL THEN v_horizon ELSE greatest(v_until, v_from + 1) END;
    INSERT INTO payable_entry (transaction_id, entry_no, account_id, owed_minor, kind, order_id, line_no, posted_at,
        pays)
    SELECT posted.transaction_id, owed.entry_no, owed.account_id, -owed.amount_minor, posted.kind, posted.order_id,
        posted.line_no, posted.posted_at, false
    FROM journal_transaction posted
    CROSS JOIN LATERAL (
        SELECT entry.entry_no, entry.account_id, entry.amount_minor
        FROM entry
        JOIN account ON account.account_id = entry.account_id
        WHERE entry.transaction_id = posted.transaction_id
            AND account.purpose = 'payable'
            AND account.party NOT IN ('channel', 'operator', 'buyer')
        OFFSET 0
    ) owed
    WHERE posted.written_in >= v_from AND posted.written_in < v_until
    -- Payments are written down by those who pay, in the transaction that posts them.
    ON CONFLICT ON CONSTRAINT payable_entry_key DO NOTHING;
    UPDATE payable_cursor SET written_in = v_until;
    RETURN v_until < v_horizon;
END $$;

-- As in 0017; what was collected counts as well: nothing may be written below it, or it would never be settled.
CREATE OR REPLACE FUNCTION advance_journal_clock() RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    v_behind bigint;
BEGIN
    SELECT greatest(
        journal_seal.written_in + (journal_seal.transaction_id >= 0)::int, payable_cursor.written_in
    ) - journal_horizon() INTO v_behind
    FROM journal_seal
    CROSS JOIN payable_cursor;
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
