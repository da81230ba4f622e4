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
    IF cardinality(p_lanes) = 1 THEN
        PERFORM pg_advisory_xact_lock(7701, p_lanes[1]);
        RETURN;
    END IF;
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

-- Takes in a group of new orders in one go: `o_` columns have a row per order, `k_` per kind of order (those that
-- come in alike, say all paid ones of a channel), `l_` per line, `n_` per SKU that is needed, `u_` per code wanted, in
-- the order of the needs. It answers one of three:
--   known: places of orders whose reference is known; nothing was written, the caller leaves them out and asks again.
--   verdicts, remaining: not enough for all; as allocate_lines says line by line. Orders that were served, and those
--   whose shortage is final, are written.
--   nothing: everybody got all.
CREATE FUNCTION reserve_group(
    p_lanes smallint[], p_now timestamptz,
    k_lane smallint[], k_channel_id int[], k_state text[], k_short_state text[], k_currency text[], k_reason text[],
    k_valid_until timestamptz[],
    o_order_id bigint[], o_kind int[], o_ref text[], o_hash bytea[], o_buyer_ref text[],
    o_placed_at timestamptz[], o_hold_until timestamptz[], o_due_at timestamptz[],
    l_ord int[], l_line_no smallint[], l_line_ref text[], l_listing_id int[], l_lane smallint[], l_sku_id int[],
    l_quantity int[], l_take int[], l_unit_price_minor bigint[],
    n_lane smallint[], n_sku_id int[], n_quantity int[], n_kind int[],
    u_need int[], u_ord int[], u_line_no smallint[],
    OUT known int[], OUT verdicts int[], OUT remaining int[]
)
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    v_shelf int[];
    v_slot bigint[];
    v_departed boolean;
    -- By order; NULL: everybody was served.
    v_verdict int[];
BEGIN
    PERFORM lock_lanes(p_lanes);

    known := ARRAY(
        SELECT i.n::int
        FROM unnest(o_kind, o_ref) WITH ORDINALITY i(kind, ref, n)
        WHERE (
            SELECT channel_order.order_id
            FROM channel_order
            WHERE channel_order.channel_id = k_channel_id[i.kind] AND channel_order.order_ref = i.ref
            LIMIT 1
        ) IS NOT NULL
    );
    IF known <> '{}' THEN
        RETURN;
    END IF;

    -- Almost always the very next slots of each shelf are free. They are looked up between two bounds: an index
    -- that is told only where to begin reads its page to the end.
    SELECT array_agg(place.shelf_id), array_agg(place.slot), bool_or(place.departed)
    INTO v_shelf, v_slot, v_departed
    FROM (
        SELECT next.shelf_id, next.slot, (
            SELECT departure.slot
            FROM departure
            WHERE departure.lane = need.lane AND departure.shelf_id = next.shelf_id AND departure.slot = next.slot
            LIMIT 1
        ) IS NOT NULL AS departed
        FROM unnest(n_lane, n_sku_id, n_quantity, n_kind) WITH ORDINALITY need(lane, sku_id, quantity, kind, n)
        CROSS JOIN LATERAL (
            SELECT shelf.shelf_id, shelf.expires_at, shelf.priority, code.slot
            FROM shelf
            CROSS JOIN LATERAL (
                SELECT coalesce((
                    SELECT allocation.slot
                    FROM allocation
                    WHERE allocation.lane = need.lane AND allocation.shelf_id = shelf.shelf_id
                    ORDER BY allocation.slot DESC
                    LIMIT 1
                ), 0) AS slot
                OFFSET 0
            ) head
            CROSS JOIN LATERAL (
                SELECT code.slot
                FROM code
                WHERE code.lane = need.lane
                    AND code.shelf_id = shelf.shelf_id
                    AND code.slot > head.slot
                    AND code.slot <= head.slot + need.quantity
                OFFSET 0
            ) code
            WHERE shelf.lane = need.lane
                AND shelf.sku_id = need.sku_id
                AND shelf.expires_at > k_valid_until[need.kind]
            ORDER BY shelf.expires_at, shelf.priority, shelf.shelf_id, code.slot
            LIMIT need.quantity
        ) next
        ORDER BY need.n, next.expires_at, next.priority, next.shelf_id, next.slot
    ) place;

    -- Enough of every SKU, and none has left its slot: the places stand in the order of the codes wanted.
    IF coalesce(cardinality(v_slot), 0) = cardinality(u_ord) AND v_departed IS NOT TRUE THEN
        INSERT INTO allocation (lane, shelf_id, slot, order_id, line_no)
        SELECT n_lane[i.need], i.shelf_id, i.slot, o_order_id[i.ord], i.line_no
        FROM unnest(u_need, v_shelf, v_slot, u_ord, u_line_no) i(need, shelf_id, slot, ord, line_no);
    ELSE
        SELECT array_agg(a.verdict ORDER BY a.line), array_agg(a.remaining ORDER BY a.line)
        INTO verdicts, remaining
        FROM allocate_lines(
            l_ord, ARRAY(SELECT o_order_id[i.ord] FROM unnest(l_ord) WITH ORDINALITY i(ord, n) ORDER BY i.n),
            l_line_no, l_lane, l_sku_id, l_listing_id, l_take,
            ARRAY(SELECT k_valid_until[o_kind[i.ord]] FROM unnest(l_ord) WITH ORDINALITY i(ord, n) ORDER BY i.n)
        ) a;
        v_verdict := ARRAY(
            SELECT DISTINCT ON (i.ord) i.verdict FROM unnest(l_ord, verdicts) i(ord, verdict) ORDER BY i.ord
        );
    END IF;

    -- Written: the orders that were served, and the short ones whose shortage is final.
    WITH decided AS MATERIALIZED (
        SELECT i.*, CASE coalesce(v_verdict[i.ord], 1) WHEN 1 THEN k_state[i.kind] ELSE k_short_state[i.kind] END
            AS first_state
        FROM unnest(o_order_id, o_kind, o_ref, o_hash, o_buyer_ref, o_placed_at, o_hold_until, o_due_at)
            WITH ORDINALITY i(order_id, kind, ref, hash, buyer_ref, placed_at, hold_until, due_at, ord)
        WHERE coalesce(v_verdict[i.ord], 1) = 1 OR (v_verdict[i.ord] = 2 AND k_short_state[i.kind] IS NOT NULL)
    ),
    placed AS (
        INSERT INTO channel_order (order_id, lane, channel_id, order_ref, first_state, first_reason, request_hash,
            currency, buyer_ref, placed_at, hold_until, created_at)
        SELECT order_id, k_lane[kind], k_channel_id[kind], ref, first_state, k_reason[kind], hash, k_currency[kind],
            buyer_ref, placed_at, hold_until, p_now
        FROM decided
    ),
    opened AS (
        INSERT INTO open_order (order_id, channel_id, due_at)
        SELECT order_id, k_channel_id[kind], coalesce(due_at, p_now)
        FROM decided
        WHERE first_state NOT IN ('refused', 'cancelled')
    ),
    -- What was sold at a channel without codes for it has still lowered the channel's own count.
    marked AS (
        INSERT INTO stock_mark (lane, sku_id, listing_id)
        SELECT DISTINCT i.lane, i.sku_id, i.listing_id
        FROM unnest(l_ord, l_lane, l_sku_id, l_listing_id) i(ord, lane, sku_id, listing_id)
        WHERE v_verdict IS NULL OR (v_verdict[i.ord] = 2 AND k_short_state[o_kind[i.ord]] IS NOT NULL)
    )
    INSERT INTO order_line (order_id, line_no, lane, line_ref, listing_id, sku_id, quantity, unit_price_minor,
        valid_until)
    SELECT o_order_id[i.ord], i.line_no, i.lane, i.line_ref, i.listing_id, i.sku_id, i.quantity, i.unit_price_minor,
        k_valid_until[o_kind[i.ord]]
    FROM unnest(l_ord, l_line_no, l_line_ref, l_listing_id, l_lane, l_sku_id, l_quantity, l_unit_price_minor)
        i(ord, line_no, line_ref, listing_id, lane, sku_id, quantity, unit_price_minor)
    WHERE coalesce(v_verdict[i.ord], 1) = 1
        OR (v_verdict[i.ord] = 2 AND k_short_state[o_kind[i.ord]] IS NOT NULL);
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
