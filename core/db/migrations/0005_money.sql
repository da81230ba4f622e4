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

-- How many codes of each line are whose, for the split; codes that left the order do not count. A function only
-- so that the planner is held to look-ups, however small it thinks that the tables are (see 0003): joined freely,
-- a shelf of many sales was read whole for each group. A reference asked for twice would count twice.
CREATE FUNCTION codes_per_consignor(p_order_ids bigint[])
RETURNS TABLE (order_id bigint, line_no smallint, name text, codes int)
LANGUAGE plpgsql STABLE
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT taken.order_id, taken.line_no, taken.name, count(*)::int
    FROM unnest(p_order_ids) asked(order_id)
    CROSS JOIN LATERAL (
        SELECT allocation.order_id, allocation.line_no, (
            SELECT consignor.name
            FROM shelf
            JOIN consignor ON consignor.consignor_id = shelf.consignor_id
            WHERE shelf.lane = allocation.lane AND shelf.shelf_id = allocation.shelf_id
            LIMIT 1
        ) AS name
        FROM allocation
        WHERE allocation.order_id = asked.order_id
            AND (
                SELECT departure.slot
                FROM departure
                WHERE departure.lane = allocation.lane
                    AND departure.shelf_id = allocation.shelf_id
                    AND departure.slot = allocation.slot
                LIMIT 1
            ) IS NULL
        OFFSET 0
    ) taken
    GROUP BY taken.order_id, taken.line_no, taken.name
    ORDER BY taken.order_id, taken.line_no, taken.name;
END $$;

-- Closes a group of sales in one go: each order's last move, its end as work, its transactions and entries.
-- Orders that somebody else moved meanwhile are left alone and answered; the others must not suffer for them.
-- Most sales of a group are split alike, so each split is told once and named by its number.
-- Who calls it: core/orders/closing.py, with columns that core/money/ledger.py laid out.
CREATE FUNCTION close_group(
    p_now timestamptz,
    k_from_state text[], k_actor text[], k_reason text[],
    o_order_id bigint[], o_move_no smallint[], o_kind int[],
    t_transaction_id bigint[], t_lane smallint[], t_order_id bigint[], t_line_no smallint[], t_plan_id int[],
    t_split_no int[],
    s_split_no int[], s_entry_no smallint[], s_account_id int[], s_amount_minor bigint[]
) RETURNS bigint[]
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_nestloop = off
SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    v_moved bigint[];
    v_stale bigint[];
    v_unposted bigint[];
BEGIN
    -- In the order of ids, so that two groups with the same orders wait for each other instead of locking up.
    WITH moved AS (
        INSERT INTO order_move (order_id, move_no, from_state, to_state, moved_at, actor, reason)
        SELECT i.order_id, i.move_no, k_from_state[i.kind], 'delivered', p_now, k_actor[i.kind], k_reason[i.kind]
        FROM unnest(o_order_id, o_move_no, o_kind) i(order_id, move_no, kind)
        ORDER BY i.order_id
        ON CONFLICT ON CONSTRAINT order_move_key DO NOTHING
        RETURNING order_id
    )
    SELECT coalesce(array_agg(moved.order_id), '{}') INTO v_moved FROM moved;

    v_stale := '{}';
    v_unposted := '{}';
    IF cardinality(v_moved) < cardinality(o_order_id) THEN
        v_stale := ARRAY(SELECT unnest(o_order_id) EXCEPT SELECT unnest(v_moved));
        v_unposted := ARRAY(
            SELECT i.transaction_id
            FROM unnest(t_transaction_id, t_order_id) i(transaction_id, order_id)
            WHERE i.order_id = ANY (v_stale)
        );
    END IF;

    DELETE FROM open_order WHERE order_id = ANY (v_moved);

    INSERT INTO journal_transaction (transaction_id, lane, kind, order_id, line_no, plan_id, posted_at)
    SELECT i.transaction_id, i.lane, 'sale', i.order_id, i.line_no, i.plan_id, p_now
    FROM unnest(t_transaction_id, t_lane, t_order_id, t_line_no, t_plan_id)
        i(transaction_id, lane, order_id, line_no, plan_id)
    WHERE i.transaction_id <> ALL (v_unposted);

    INSERT INTO entry (transaction_id, entry_no, account_id, amount_minor)
    SELECT i.transaction_id, split.entry_no, split.account_id, split.amount_minor
    FROM unnest(t_transaction_id, t_split_no) i(transaction_id, split_no)
    JOIN unnest(s_split_no, s_entry_no, s_account_id, s_amount_minor)
        split(split_no, entry_no, account_id, amount_minor) ON split.split_no = i.split_no
    WHERE i.transaction_id <> ALL (v_unposted);

    RETURN v_stale;
END $$;

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
