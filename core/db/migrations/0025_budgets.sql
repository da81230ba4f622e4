-- Money that sales set aside for a purpose, as it is spent or given back to the operator. What stands in a budget is
-- its account in the journal; these rows say who took what from it, and why.
CREATE TABLE budget_use (
    use_id bigint GENERATED ALWAYS AS IDENTITY,
    budget text NOT NULL,
    -- What whoever spent it calls it, such as the number of an invoice: never booked twice.
    ref text NOT NULL,
    kind text NOT NULL,
    currency text NOT NULL,
    amount_minor bigint NOT NULL,
    -- What the budget held of it; the rest is the operator's cost.
    covered_minor bigint NOT NULL,
    -- Whose balance it was taken off; none: the operator's bank.
    channel_id int,
    transaction_id bigint NOT NULL,
    actor text NOT NULL,
    reason text NOT NULL,
    used_at timestamptz NOT NULL,
    CONSTRAINT budget_use_key PRIMARY KEY (use_id),
    CONSTRAINT budget_use_once UNIQUE (budget, ref),
    CONSTRAINT budget_use_of_channel FOREIGN KEY (channel_id) REFERENCES channel,
    CONSTRAINT budget_use_of_transaction FOREIGN KEY (transaction_id) REFERENCES journal_transaction,
    CONSTRAINT budget_use_kind CHECK (kind IN ('spent', 'released')),
    CONSTRAINT budget_use_amounts CHECK (amount_minor > 0 AND covered_minor BETWEEN 0 AND amount_minor),
    CONSTRAINT budget_use_released_whole CHECK (kind = 'spent' OR covered_minor = amount_minor),
    CONSTRAINT budget_use_reason_written CHECK (reason <> '')
);

CREATE TRIGGER budget_use_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON budget_use
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
