-- What split plans ask for that look at more than a price: facts of sales, what rules have counted, what waits to
-- be paid or split. A sale under a plain plan writes none of these rows.

-- Refunds may come in parts, so a sale may have several; that it is refunded whole but once, sale_refund says.
DROP INDEX journal_reversed_once;
CREATE INDEX journal_reversed ON journal_transaction (reverses_id) WHERE kind = 'refund';

-- What was posted about a sale afterwards, beside refunds.
CREATE INDEX journal_after_sale ON journal_transaction (order_id, line_no)
    WHERE kind IN ('release', 'lapse', 'redemption');

-- What a plan was told of a line when it was split, so that the split can be reckoned again exactly.
CREATE TABLE sale_facts (
    order_id bigint NOT NULL,
    line_no smallint NOT NULL,
    facts jsonb NOT NULL,
    CONSTRAINT sale_facts_key PRIMARY KEY (order_id, line_no)
);

CREATE TRIGGER sale_facts_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON sale_facts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What rules with caps, or with tiers over a period, have seen. Whoever splits a sale by one holds its row until the
-- sale is committed. `scope` is the channel for a channel's own rules, and empty for all others.
CREATE TABLE plan_counter (
    plan_name text NOT NULL,
    rule text NOT NULL,
    scope text NOT NULL,
    currency text NOT NULL,
    period_start timestamptz NOT NULL,
    taken_minor bigint NOT NULL DEFAULT 0,
    turnover_minor bigint NOT NULL DEFAULT 0,
    units bigint NOT NULL DEFAULT 0,
    CONSTRAINT plan_counter_key PRIMARY KEY (plan_name, rule, scope, currency, period_start)
) WITH (fillfactor = 50);

-- Which order of a buyer's it is. Orders without a buyer are not in it.
CREATE INDEX channel_order_by_buyer ON channel_order (channel_id, buyer_ref) WHERE buyer_ref IS NOT NULL;

-- Lines whose shares have not all vested, and when to look next. Work, not truth.
CREATE TABLE split_due (
    order_id bigint NOT NULL,
    line_no smallint NOT NULL,
    due_at timestamptz NOT NULL,
    CONSTRAINT split_due_key PRIMARY KEY (order_id, line_no)
) WITH (fillfactor = 70);

CREATE INDEX split_due_by_time ON split_due (due_at);

-- Delivered orders whose money could not be split: the plan asked for more than there was, or for what nobody told.
CREATE TABLE split_owed (
    order_id bigint NOT NULL,
    channel_id int NOT NULL,
    why text NOT NULL,
    since timestamptz NOT NULL,
    tries int NOT NULL DEFAULT 1,
    due_at timestamptz NOT NULL,
    settled_at timestamptz,
    -- split: posted after all; refunded: the money went back before.
    outcome text,
    CONSTRAINT split_owed_key PRIMARY KEY (order_id),
    CONSTRAINT split_owed_outcome CHECK (outcome IN ('split', 'refunded')),
    CONSTRAINT split_owed_settled CHECK ((settled_at IS NULL) = (outcome IS NULL))
);

CREATE INDEX split_owed_open ON split_owed (due_at) WHERE settled_at IS NULL;

-- What of a coupon was redeemed, of one unit, in all so far.
CREATE TABLE sale_redemption (
    order_id bigint NOT NULL,
    line_no smallint NOT NULL,
    redemption_no smallint NOT NULL,
    unit_redeemed_minor bigint NOT NULL,
    redeemed_at timestamptz NOT NULL,
    actor text NOT NULL,
    CONSTRAINT sale_redemption_key PRIMARY KEY (order_id, line_no, redemption_no),
    CONSTRAINT sale_redemption_positive CHECK (unit_redeemed_minor >= 0)
);

CREATE TRIGGER sale_redemption_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON sale_redemption
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What had gone back to the buyer after each refund: an amount, and units of what was free, for each run of units
-- that were split alike. Without amounts: everything.
CREATE TABLE sale_refund (
    sale_id bigint NOT NULL,
    refund_no smallint NOT NULL,
    transaction_id bigint NOT NULL,
    amounts_minor bigint[],
    free_units int[],
    refunded_at timestamptz NOT NULL,
    actor text NOT NULL,
    reason text NOT NULL,
    CONSTRAINT sale_refund_key PRIMARY KEY (sale_id, refund_no),
    CONSTRAINT sale_refund_transaction_once UNIQUE (transaction_id),
    CONSTRAINT sale_refund_state_whole CHECK ((amounts_minor IS NULL) = (free_units IS NULL))
);

CREATE UNIQUE INDEX sale_refunded_whole_once ON sale_refund (sale_id) WHERE amounts_minor IS NULL;

CREATE TRIGGER sale_refund_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON sale_refund
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

INSERT INTO sale_refund (sale_id, refund_no, transaction_id, refunded_at, actor, reason)
SELECT reverses_id, 1, transaction_id, posted_at, 'migration', 'refunded before parts could be'
FROM journal_transaction
WHERE kind = 'refund';

-- As codes_per_consignor, and what each code cost.
CREATE FUNCTION codes_by_cost(p_order_ids bigint[])
RETURNS TABLE (order_id bigint, line_no smallint, name text, unit_cost_minor bigint, currency text, codes int)
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
    SELECT allocation.order_id, allocation.line_no, consignor.name, shelf.unit_cost_minor, shelf.currency,
        count(*)::int
    FROM unnest(p_order_ids) asked(order_id)
    JOIN allocation ON allocation.order_id = asked.order_id
    JOIN shelf ON shelf.lane = allocation.lane AND shelf.shelf_id = allocation.shelf_id
    JOIN consignor ON consignor.consignor_id = shelf.consignor_id
    WHERE (
        SELECT departure.slot
        FROM departure
        WHERE departure.lane = allocation.lane
            AND departure.shelf_id = allocation.shelf_id
            AND departure.slot = allocation.slot
        LIMIT 1
    ) IS NULL
    GROUP BY allocation.order_id, allocation.line_no, consignor.name, shelf.unit_cost_minor, shelf.currency
    ORDER BY allocation.order_id, allocation.line_no, consignor.name, shelf.unit_cost_minor, shelf.currency;
END $$;
