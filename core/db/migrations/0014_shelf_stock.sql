-- Holds everybody who counts free codes to looking them up by key, however old the planner's figures are.

-- A planner with old figures, as after a mass withdrawal or on a young database, may read all departures for every
-- shelf: with 50,000 codes withdrawn, a claim of milliseconds then lasts minutes. A setting in each reader's
-- transaction would not mend it: a statement that was planned before keeps its plan. What functions settle for
-- themselves holds for all who ask them, whenever they were planned. A test sees to it that all readers ask here.
CREATE FUNCTION stock_of_skus(p_sku_ids int[]) RETURNS SETOF shelf_stock
LANGUAGE plpgsql STABLE
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
    RETURN QUERY SELECT * FROM shelf_stock WHERE shelf_stock.sku_id = ANY (p_sku_ids);
END $$;

-- The same of every shelf there is, for looks at the whole house.
CREATE FUNCTION stock_of_house() RETURNS SETOF shelf_stock
LANGUAGE plpgsql STABLE
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
    RETURN QUERY SELECT * FROM shelf_stock;
END $$;

-- What left a shelf, by kind; `below` counts what left among the slots up to the last one sold.
CREATE FUNCTION departed_of_shelf(
    p_lane smallint, p_shelf_id int, p_head bigint,
    OUT below bigint, OUT released bigint, OUT quarantined bigint, OUT withdrawn bigint
)
LANGUAGE plpgsql STABLE
SET enable_seqscan = off
SET enable_bitmapscan = off
SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
    SELECT count(*) FILTER (WHERE departure.slot <= p_head),
        count(*) FILTER (WHERE departure.kind = 'released'),
        count(*) FILTER (WHERE departure.kind = 'quarantined'),
        count(*) FILTER (WHERE departure.kind = 'withdrawn')
    INTO below, released, quarantined, withdrawn
    FROM departure
    WHERE departure.lane = p_lane AND departure.shelf_id = p_shelf_id;
END $$;
