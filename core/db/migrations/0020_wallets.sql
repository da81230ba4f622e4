-- What buyers have with us, lot by lot: money, and points at the value they are redeemed for.

CREATE TABLE wallet_lot (
    lot_id bigint GENERATED ALWAYS AS IDENTITY,
    buyer_id bigint NOT NULL,
    -- Of points; empty for money.
    programme text NOT NULL,
    currency text NOT NULL,
    -- Points, or the minor units of money; and what they are worth.
    units bigint NOT NULL,
    amount_minor bigint NOT NULL,
    -- Why it was credited: the same reason twice is the same lot.
    source_kind text NOT NULL,
    source_ref text NOT NULL,
    -- The account that bears it, and gets back what is taken back.
    cost_party text NOT NULL,
    cost_name text NOT NULL,
    cost_purpose text NOT NULL,
    credited_at timestamptz NOT NULL,
    -- NULL: usable at once, or for ever.
    vests_at timestamptz,
    expires_at timestamptz,
    -- NULL where points are worth less than half a minor unit.
    transaction_id bigint,
    CONSTRAINT wallet_lot_key PRIMARY KEY (lot_id),
    CONSTRAINT wallet_lot_source_once UNIQUE (source_kind, source_ref, programme),
    CONSTRAINT wallet_lot_of_buyer FOREIGN KEY (buyer_id) REFERENCES buyer,
    CONSTRAINT wallet_lot_source_written CHECK (source_kind <> '' AND source_ref <> ''),
    CONSTRAINT wallet_lot_something CHECK (units > 0 AND amount_minor >= 0),
    CONSTRAINT wallet_lot_money CHECK (programme <> '' OR units = amount_minor),
    CONSTRAINT wallet_lot_posted CHECK ((transaction_id IS NULL) = (amount_minor = 0)),
    CONSTRAINT wallet_lot_times CHECK (expires_at > coalesce(vests_at, credited_at))
);

CREATE INDEX wallet_lot_by_buyer ON wallet_lot (buyer_id, programme, credited_at);

CREATE TRIGGER wallet_lot_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON wallet_lot
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What a buyer spent, or redeemed of points; the same reference twice is the same spending.
CREATE TABLE wallet_spend (
    spend_id bigint GENERATED ALWAYS AS IDENTITY,
    buyer_id bigint NOT NULL,
    programme text NOT NULL,
    ref text NOT NULL,
    request_hash bytea NOT NULL,
    currency text NOT NULL,
    units bigint NOT NULL,
    amount_minor bigint NOT NULL,
    to_party text NOT NULL,
    to_name text NOT NULL,
    to_purpose text NOT NULL,
    spent_at timestamptz NOT NULL,
    CONSTRAINT wallet_spend_key PRIMARY KEY (spend_id),
    CONSTRAINT wallet_spend_ref_once UNIQUE (programme, ref),
    CONSTRAINT wallet_spend_of_buyer FOREIGN KEY (buyer_id) REFERENCES buyer,
    CONSTRAINT wallet_spend_ref_written CHECK (ref <> ''),
    CONSTRAINT wallet_spend_something CHECK (units > 0 AND amount_minor > 0)
);

CREATE INDEX wallet_spend_by_buyer ON wallet_spend (buyer_id, spend_id);

CREATE TRIGGER wallet_spend_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON wallet_spend
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- All that happened to a lot. Vested and claimed take nothing from it; a claim is on what was spent of it.
CREATE TABLE wallet_use (
    lot_id bigint NOT NULL,
    -- 1, 2, 3 ...: two writers who both saw the same lot collide here.
    use_no int NOT NULL,
    kind text NOT NULL,
    units bigint NOT NULL,
    amount_minor bigint NOT NULL,
    spend_id bigint,
    transaction_id bigint,
    used_at timestamptz NOT NULL,
    reason text NOT NULL,
    CONSTRAINT wallet_use_key PRIMARY KEY (lot_id, use_no),
    CONSTRAINT wallet_use_of_lot FOREIGN KEY (lot_id) REFERENCES wallet_lot,
    CONSTRAINT wallet_use_of_spend FOREIGN KEY (spend_id) REFERENCES wallet_spend,
    CONSTRAINT wallet_use_kind CHECK (kind IN ('vested', 'spent', 'expired', 'taken_back', 'set_off', 'claimed')),
    CONSTRAINT wallet_use_spent CHECK ((spend_id IS NOT NULL) = (kind = 'spent')),
    CONSTRAINT wallet_use_something CHECK (units > 0 AND amount_minor >= 0)
);

CREATE INDEX wallet_use_by_spend ON wallet_use (spend_id) WHERE spend_id IS NOT NULL;

CREATE TRIGGER wallet_use_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON wallet_use
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What buyers owe us, because what they spent was taken back (above zero), and what was set off against it (below).
CREATE TABLE wallet_claim (
    claim_no bigint GENERATED ALWAYS AS IDENTITY,
    buyer_id bigint NOT NULL,
    currency text NOT NULL,
    amount_minor bigint NOT NULL,
    lot_id bigint NOT NULL,
    at timestamptz NOT NULL,
    CONSTRAINT wallet_claim_key PRIMARY KEY (claim_no),
    CONSTRAINT wallet_claim_of_buyer FOREIGN KEY (buyer_id) REFERENCES buyer,
    CONSTRAINT wallet_claim_of_lot FOREIGN KEY (lot_id) REFERENCES wallet_lot,
    CONSTRAINT wallet_claim_something CHECK (amount_minor <> 0)
);

CREATE INDEX wallet_claim_by_buyer ON wallet_claim (buyer_id, currency);

CREATE TRIGGER wallet_claim_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON wallet_claim
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Lots of which something is left, and when they vest or expire next. Work, not truth: check rebuilds and compares it.
CREATE TABLE wallet_open (
    lot_id bigint NOT NULL,
    buyer_id bigint NOT NULL,
    programme text NOT NULL,
    currency text NOT NULL,
    units_left bigint NOT NULL,
    amount_left_minor bigint NOT NULL,
    vested boolean NOT NULL,
    due_at timestamptz,
    CONSTRAINT wallet_open_key PRIMARY KEY (lot_id),
    CONSTRAINT wallet_open_something CHECK (units_left > 0 AND amount_left_minor >= 0)
) WITH (fillfactor = 70);

CREATE INDEX wallet_open_by_buyer ON wallet_open (buyer_id, programme, currency);
CREATE INDEX wallet_open_by_due ON wallet_open (due_at) WHERE due_at IS NOT NULL;
