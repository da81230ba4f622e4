-- The journal: double entry, append-only, zero per transaction and currency.

CREATE TABLE account (
    account_id int GENERATED ALWAYS AS IDENTITY,
    -- Whose: channel, operator, consignor, referrer, buyer.
    party text NOT NULL,
    party_name text NOT NULL,
    -- For what: receivable, commission, payable, refunds ...
    purpose text NOT NULL,
    currency text NOT NULL,
    CONSTRAINT account_key PRIMARY KEY (account_id),
    CONSTRAINT account_once UNIQUE (party, party_name, purpose, currency),
    CONSTRAINT account_currency CHECK (currency ~ '^[A-Z]{3}$')
);

CREATE TABLE split_plan (
    plan_id int GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    version int NOT NULL,
    rules jsonb NOT NULL,
    published_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT split_plan_key PRIMARY KEY (plan_id),
    CONSTRAINT split_plan_version_once UNIQUE (name, version)
);

CREATE TRIGGER split_plan_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON split_plan
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE SEQUENCE transaction_id_block INCREMENT 1000 START 1000;

CREATE TABLE journal_transaction (
    transaction_id bigint NOT NULL,
    lane smallint NOT NULL,
    kind text NOT NULL,
    order_id bigint,
    line_no smallint,
    plan_id int,
    reverses_id bigint,
    posted_at timestamptz NOT NULL,
    CONSTRAINT journal_transaction_key PRIMARY KEY (transaction_id),
    CONSTRAINT journal_transaction_kind CHECK (kind IN ('sale', 'refund', 'payout', 'correction')),
    CONSTRAINT journal_sale_whole CHECK (kind <> 'sale' OR (order_id IS NOT NULL AND plan_id IS NOT NULL)),
    CONSTRAINT journal_refund_reverses CHECK ((kind = 'refund') = (reverses_id IS NOT NULL))
);

CREATE UNIQUE INDEX journal_line_sold_once ON journal_transaction (order_id, line_no) WHERE kind = 'sale';
CREATE UNIQUE INDEX journal_reversed_once ON journal_transaction (reverses_id) WHERE kind = 'refund';

CREATE TRIGGER journal_transaction_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON journal_transaction
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Debit is positive, credit negative.
CREATE TABLE entry (
    transaction_id bigint NOT NULL,
    entry_no smallint NOT NULL,
    account_id int NOT NULL,
    amount_minor bigint NOT NULL,
    CONSTRAINT entry_key PRIMARY KEY (transaction_id, entry_no),
    CONSTRAINT entry_not_zero CHECK (amount_minor <> 0)
);

CREATE TRIGGER entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON entry
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Every statement that writes entries must leave what it wrote of each transaction at zero per currency, so no
-- set of statements can ever leave a transaction unbalanced. One check per group instead of one per entry.
CREATE FUNCTION refuse_unbalanced() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    v_transaction_id bigint;
BEGIN
    SELECT written.transaction_id INTO v_transaction_id
    FROM written
    LEFT JOIN account ON account.account_id = written.account_id
    GROUP BY written.transaction_id, account.currency
    HAVING sum(written.amount_minor) <> 0 OR account.currency IS NULL
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'transaction % does not sum to zero in each currency', v_transaction_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'entry_balanced';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER entry_balanced AFTER INSERT ON entry
    REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_unbalanced();

-- The channel's own ledger of our account, kept as it was told.
CREATE TABLE payout_line (
    channel_id int NOT NULL,
    line_ref text NOT NULL,
    kind text NOT NULL,
    order_ref text,
    listing_ref text,
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    booked_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    CONSTRAINT payout_line_key PRIMARY KEY (channel_id, line_ref),
    CONSTRAINT payout_line_of_channel FOREIGN KEY (channel_id) REFERENCES channel
);

CREATE TRIGGER payout_line_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payout_line
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Who did or saw what, and why.
CREATE TABLE audit (
    audit_id bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL DEFAULT now(),
    actor text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    reason text NOT NULL,
    CONSTRAINT audit_key PRIMARY KEY (audit_id),
    CONSTRAINT audit_reason_written CHECK (reason <> '')
);

CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
