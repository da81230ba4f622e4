-- The allocator's statements that must run under a lane's lock. Who calls them: core/codes/allocator.py.

-- How many codes are free on each shelf: slots above the last one taken (head) up to the last one (tail), less those
-- that left. Slots have no gaps, so nothing is counted code by code: it costs the same for ten codes and ten million.
CREATE VIEW shelf_stock AS
SELECT shelf.lane, shelf.shelf_id, shelf.sku_id, shelf.consignor_id, shelf.expires_at, shelf.unit_cost_minor,
    shelf.currency, shelf.priority, tail.slot AS tail, head.slot AS head,
    (tail.slot - head.slot - gone.slots)::bigint AS free
FROM shelf
CROSS JOIN LATERAL (
    SELECT coalesce((
        SELECT code.slot FROM code
        WHERE code.lane = shelf.lane AND code.shelf_id = shelf.shelf_id
        ORDER BY code.slot DESC
        LIMIT 1
    ), 0) AS slot
) tail
CROSS JOIN LATERAL (
    SELECT coalesce((
        SELECT allocation.slot FROM allocation
        WHERE allocation.lane = shelf.lane AND allocation.shelf_id = shelf.shelf_id
        ORDER BY allocation.slot DESC
        LIMIT 1
    ), 0) AS slot
) head
CROSS JOIN LATERAL (
    SELECT count(*) AS slots FROM departure
    WHERE departure.lane = shelf.lane AND departure.shelf_id = shelf.shelf_id AND departure.slot > head.slot
) gone;

-- One writer per lane: everything that changes which slots are free holds this until it commits.
CREATE FUNCTION lock_lanes(p_lanes smallint[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_lane smallint;
BEGIN
    FOR v_lane IN SELECT DISTINCT unnest(p_lanes) ORDER BY 1 LOOP
        PERFORM pg_advisory_xact_lock(7701, v_lane);
    END LOOP;
END $$;

-- Takes codes for lines, all lines of an order or none, and marks the SKUs. The caller holds the lanes' locks
-- and hands over lines such that all those of one SKU ask for the same validity.
-- verdict: 1 taken; 2 short, the order cannot be served now; 3 not decided: another order of the group that
-- failed on some other SKU stood in the way, ask again. remaining: what is left of the line's SKU.
-- The planner must not be let loose here: the arrays' sizes are unknown to it, and a plan made on empty
-- tables would stay. Where it has a choice, tables are read by index and lists are joined by hashing; LIMIT 1
-- keeps a look-up a look-up, instead of a join that reads the whole of a table thought to be small.
CREATE FUNCTION allocate_lines(
    p_ord int[], p_order_id bigint[], p_line_no smallint[], p_lane smallint[], p_sku_id int[],
    p_listing_id int[], p_quantity int[], p_valid_until timestamptz[]
) RETURNS TABLE (line int, verdict int, remaining int)
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_nestloop = off
SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH asked AS MATERIALIZED (
        SELECT i.n::int AS line, i.ord, i.order_id, i.line_no, i.lane, i.sku_id, i.listing_id, i.quantity,
            i.valid_until,
            sum(i.quantity) OVER (PARTITION BY i.sku_id ORDER BY i.n) AS high,
            sum(i.quantity) OVER (PARTITION BY i.ord, i.sku_id) AS order_need
        FROM unnest(p_ord, p_order_id, p_line_no, p_lane, p_sku_id, p_listing_id, p_quantity, p_valid_until)
            WITH ORDINALITY i(ord, order_id, line_no, lane, sku_id, listing_id, quantity, valid_until, n)
    ),
    need AS MATERIALIZED (
        SELECT lane, sku_id, max(high) AS quantity, max(valid_until) AS valid_until
        FROM asked
        GROUP BY lane, sku_id
    ),
    -- The next free slots of each SKU, in the order of sale: on each shelf those above the last one taken.
    place AS MATERIALIZED (
        SELECT need.lane, need.sku_id, free.shelf_id, free.slot,
            row_number() OVER (
                PARTITION BY need.sku_id ORDER BY free.expires_at, free.priority, free.shelf_id, free.slot
            ) AS rank
        FROM need
        CROSS JOIN LATERAL (
            SELECT shelf.shelf_id, shelf.expires_at, shelf.priority, standing.slot
            FROM shelf
            CROSS JOIN LATERAL (
                SELECT code.slot
                FROM code
                WHERE code.lane = need.lane
                    AND code.shelf_id = shelf.shelf_id
                    AND code.slot > coalesce((
                        SELECT allocation.slot
                        FROM allocation
                        WHERE allocation.lane = need.lane AND allocation.shelf_id = shelf.shelf_id
                        ORDER BY allocation.slot DESC
                        LIMIT 1
                    ), 0)
                    AND (
                        SELECT departure.slot
                        FROM departure
                        WHERE departure.lane = need.lane
                            AND departure.shelf_id = shelf.shelf_id
                            AND departure.slot = code.slot
                        LIMIT 1
                    ) IS NULL
                ORDER BY code.slot
                LIMIT need.quantity
            ) standing
            WHERE shelf.lane = need.lane AND shelf.sku_id = need.sku_id AND shelf.expires_at > need.valid_until
            ORDER BY shelf.expires_at, shelf.priority, shelf.shelf_id, standing.slot
            LIMIT need.quantity
        ) free
    ),
    stock AS MATERIALIZED (
        SELECT sku_id, count(*) AS quantity FROM place GROUP BY sku_id
    ),
    judged AS MATERIALIZED (
        SELECT asked.*, coalesce(stock.quantity, 0) AS stock,
            bool_and(asked.high <= coalesce(stock.quantity, 0)) OVER (PARTITION BY asked.ord) AS granted
        FROM asked
        LEFT JOIN stock ON stock.sku_id = asked.sku_id
    ),
    -- Ranks anew over the granted lines only: an order that failed must not leave a hole that nobody would
    -- ever look into again.
    granted AS MATERIALIZED (
        SELECT judged.*, sum(judged.quantity) OVER (PARTITION BY judged.sku_id ORDER BY judged.line) AS top
        FROM judged
        WHERE judged.granted
    ),
    unit AS MATERIALIZED (
        SELECT granted.order_id, granted.line_no, granted.sku_id, granted.top - n AS rank
        FROM granted
        CROSS JOIN LATERAL generate_series(0, granted.quantity - 1) n
    ),
    taken AS MATERIALIZED (
        SELECT place.lane, place.sku_id, place.shelf_id, place.slot, unit.order_id, unit.line_no
        FROM unit
        JOIN place ON place.sku_id = unit.sku_id AND place.rank = unit.rank
    ),
    written AS (
        INSERT INTO allocation (lane, shelf_id, slot, order_id, line_no)
        SELECT lane, shelf_id, slot, order_id, line_no FROM taken
    ),
    marked AS (
        INSERT INTO stock_mark (lane, sku_id, listing_id) SELECT DISTINCT lane, sku_id, listing_id FROM granted
    ),
    spent AS MATERIALIZED (
        SELECT sku_id, sum(quantity) AS quantity FROM granted GROUP BY sku_id
    )
    SELECT judged.line,
        CASE
            WHEN judged.granted THEN 1
            WHEN bool_or(judged.order_need > judged.stock - coalesce(spent.quantity, 0))
                OVER (PARTITION BY judged.ord) THEN 2
            ELSE 3
        END,
        (judged.stock - coalesce(spent.quantity, 0))::int
    FROM judged
    LEFT JOIN spent ON spent.sku_id = judged.sku_id;
END $$;

-- Takes in a group of new orders in one go. Orders whose reference is known are answered with verdict 0 and
-- then nothing else is done: the caller leaves them out and asks again.
CREATE FUNCTION reserve_group(
    p_lanes smallint[], p_now timestamptz,
    o_order_id bigint[], o_lane smallint[], o_channel_id int[], o_ref text[], o_hash bytea[],
    o_state text[], o_short_state text[], o_currency text[], o_buyer_ref text[],
    o_placed_at timestamptz[], o_hold_until timestamptz[], o_due_at timestamptz[], o_reason text[],
    l_ord int[], l_line_no smallint[], l_line_ref text[], l_listing_id int[], l_lane smallint[],
    l_sku_id int[], l_quantity int[], l_take int[], l_unit_price_minor bigint[], l_valid_until timestamptz[]
) RETURNS TABLE (line int, verdict int, remaining int)
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    v_line int[];
    v_verdict int[];
    v_remaining int[];
    v_order_verdict int[];
BEGIN
    PERFORM lock_lanes(p_lanes);

    RETURN QUERY
    SELECT i.n::int, 0, 0
    FROM unnest(o_channel_id, o_ref) WITH ORDINALITY i(channel_id, ref, n)
    WHERE (
        SELECT channel_order.order_id
        FROM channel_order
        WHERE channel_order.channel_id = i.channel_id AND channel_order.order_ref = i.ref
        LIMIT 1
    ) IS NOT NULL;
    IF FOUND THEN
        RETURN;
    END IF;

    SELECT array_agg(a.line ORDER BY a.line), array_agg(a.verdict ORDER BY a.line),
        array_agg(a.remaining ORDER BY a.line)
    INTO v_line, v_verdict, v_remaining
    FROM allocate_lines(
        l_ord, (SELECT array_agg(o_order_id[ord] ORDER BY n) FROM unnest(l_ord) WITH ORDINALITY x(ord, n)),
        l_line_no, l_lane, l_sku_id, l_listing_id, l_take, l_valid_until
    ) a;

    SELECT array_agg(x.verdict ORDER BY x.ord) INTO v_order_verdict
    FROM (
        SELECT DISTINCT i.ord, i.verdict FROM unnest(l_ord, v_verdict) i(ord, verdict)
    ) x;

    -- Written: the orders that were served, and the short ones whose shortage is final.
    WITH decided AS MATERIALIZED (
        SELECT i.*, CASE i.verdict WHEN 1 THEN i.state ELSE i.short_state END AS first_state
        FROM unnest(o_order_id, o_lane, o_channel_id, o_ref, o_hash, o_state, o_short_state, o_currency,
            o_buyer_ref, o_placed_at, o_hold_until, o_due_at, o_reason, v_order_verdict)
            i(order_id, lane, channel_id, ref, hash, state, short_state, currency,
                buyer_ref, placed_at, hold_until, due_at, reason, verdict)
        WHERE i.verdict = 1 OR (i.verdict = 2 AND i.short_state IS NOT NULL)
    ),
    placed AS (
        INSERT INTO channel_order (order_id, lane, channel_id, order_ref, first_state, first_reason, request_hash,
            currency, buyer_ref, placed_at, hold_until, created_at)
        SELECT order_id, lane, channel_id, ref, first_state, reason, hash, currency, buyer_ref, placed_at,
            hold_until, p_now
        FROM decided
    )
    INSERT INTO open_order (order_id, channel_id, due_at)
    SELECT order_id, channel_id, due_at FROM decided WHERE first_state NOT IN ('refused', 'cancelled');

    INSERT INTO order_line (order_id, line_no, lane, line_ref, listing_id, sku_id, quantity, unit_price_minor,
        valid_until)
    SELECT o_order_id[i.ord], i.line_no, i.lane, i.line_ref, i.listing_id, i.sku_id, i.quantity,
        i.unit_price_minor, i.valid_until
    FROM unnest(l_ord, l_line_no, l_line_ref, l_listing_id, l_lane, l_sku_id, l_quantity, l_unit_price_minor,
        l_valid_until, v_verdict)
        i(ord, line_no, line_ref, listing_id, lane, sku_id, quantity, unit_price_minor, valid_until, verdict)
    WHERE i.verdict = 1 OR (i.verdict = 2 AND o_short_state[i.ord] IS NOT NULL);

    -- What was sold there without codes for it has still lowered the channel's own count.
    INSERT INTO stock_mark (lane, sku_id, listing_id)
    SELECT DISTINCT i.lane, i.sku_id, i.listing_id
    FROM unnest(l_ord, l_lane, l_sku_id, l_listing_id, v_verdict) i(ord, lane, sku_id, listing_id, verdict)
    WHERE i.verdict = 2 AND o_short_state[i.ord] IS NOT NULL;

    RETURN QUERY
    SELECT i.line, i.verdict, i.remaining FROM unnest(v_line, v_verdict, v_remaining) i(line, verdict, remaining);
END $$;

-- Puts the codes kept for orders back on their shelves, each at a new slot; only for codes nobody has seen.
CREATE FUNCTION give_back(p_lanes smallint[], p_order_ids bigint[], p_now timestamptz, p_actor text, p_reason text)
RETURNS int
LANGUAGE plpgsql AS $$
DECLARE
    v_count int;
BEGIN
    PERFORM lock_lanes(p_lanes);
    WITH kept AS MATERIALIZED (
        SELECT allocation.lane, allocation.shelf_id, allocation.slot, allocation.order_id, allocation.line_no
        FROM allocation
        WHERE allocation.order_id = ANY (p_order_ids)
            AND NOT EXISTS (
                SELECT FROM departure
                WHERE departure.lane = allocation.lane
                    AND departure.shelf_id = allocation.shelf_id
                    AND departure.slot = allocation.slot
            )
    ),
    left_slot AS (
        INSERT INTO departure (lane, shelf_id, slot, kind, departed_at, actor, reason)
        SELECT lane, shelf_id, slot, 'released', p_now, p_actor, p_reason FROM kept
    ),
    tail AS MATERIALIZED (
        SELECT shelf.lane, shelf.shelf_id, (
            SELECT code.slot FROM code
            WHERE code.lane = shelf.lane AND code.shelf_id = shelf.shelf_id
            ORDER BY code.slot DESC
            LIMIT 1
        ) AS slot
        FROM (SELECT DISTINCT lane, shelf_id FROM kept) shelf
    ),
    standing AS (
        INSERT INTO code (lane, shelf_id, slot, batch_id, origin_slot)
        SELECT kept.lane, kept.shelf_id,
            tail.slot + row_number() OVER (PARTITION BY kept.lane, kept.shelf_id ORDER BY kept.slot),
            code.batch_id, coalesce(code.origin_slot, code.slot)
        FROM kept
        JOIN tail ON tail.lane = kept.lane AND tail.shelf_id = kept.shelf_id
        JOIN code ON code.lane = kept.lane AND code.shelf_id = kept.shelf_id AND code.slot = kept.slot
    ),
    marked AS (
        INSERT INTO stock_mark (lane, sku_id, listing_id)
        SELECT DISTINCT order_line.lane, order_line.sku_id, order_line.listing_id
        FROM kept
        JOIN order_line ON order_line.order_id = kept.order_id AND order_line.line_no = kept.line_no
    )
    SELECT count(*) INTO v_count FROM kept;
    RETURN v_count;
END $$;
