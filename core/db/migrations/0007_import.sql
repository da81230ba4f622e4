-- The importer's statements that meet the table of all codes. Who calls them: core/codes/importer.py.

-- Those of the codes that stand here already, and the batch each came with. A plan that was made while there
-- were no codes must not stay: it would read all of them for each row.
CREATE FUNCTION known_codes(p_fingerprints bytea[]) RETURNS TABLE (n int, batch_id bigint)
LANGUAGE plpgsql STABLE
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT found.n::int, found.batch_id
    FROM (
        SELECT asked.n, (SELECT code.batch_id FROM code WHERE code.fingerprint = asked.fingerprint) AS batch_id
        FROM unnest(p_fingerprints) WITH ORDINALITY asked(fingerprint, n)
    ) found
    WHERE found.batch_id IS NOT NULL;
END $$;

-- Puts codes behind the last slot of their shelves and marks the SKU; all or, if one is known, none. p_places
-- says for each code which of p_shelf_ids it stands on, from 1, and p_aheads how far behind that one's tail.
-- They are inserted sorted by fingerprint: its index takes them fastest so, and two imports of the same codes
-- wait for each other instead of deadlocking. The tails are looked up apart and met by subscript: a join would
-- have the planner guess how many rows the arrays hold.
CREATE FUNCTION place_codes(
    p_lane smallint, p_sku_id int, p_batch_id bigint, p_shelf_ids int[],
    p_places int[], p_aheads int[], p_fingerprints bytea[], p_sealed bytea[]
) RETURNS void
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    v_tails bigint[];
BEGIN
    PERFORM lock_lanes(ARRAY[p_lane]);
    -- The last slot of each shelf; the lane's lock keeps it the last until we commit.
    v_tails := ARRAY(
        SELECT coalesce((
            SELECT code.slot
            FROM code
            WHERE code.lane = p_lane AND code.shelf_id = wanted.shelf_id
            ORDER BY code.slot DESC
            LIMIT 1
        ), 0)
        FROM unnest(p_shelf_ids) WITH ORDINALITY wanted(shelf_id, n)
        ORDER BY wanted.n
    );
    INSERT INTO code (lane, shelf_id, slot, batch_id, fingerprint, sealed)
    SELECT p_lane, p_shelf_ids[given.place], v_tails[given.place] + given.ahead, p_batch_id,
        given.fingerprint, given.sealed
    FROM unnest(p_places, p_aheads, p_fingerprints, p_sealed) given(place, ahead, fingerprint, sealed)
    ORDER BY given.fingerprint;
    INSERT INTO stock_mark (lane, sku_id) VALUES (p_lane, p_sku_id);
END $$;
