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

-- Puts codes behind the last slot of their shelves, in their order, and marks the SKU; all or, if one is known,
-- none. They are inserted sorted by fingerprint: its index takes them fastest so, and two imports of the same
-- codes wait for each other instead of deadlocking.
CREATE FUNCTION place_codes(
    p_lane smallint, p_sku_id int, p_batch_id bigint, p_shelf_ids int[], p_fingerprints bytea[], p_sealed bytea[]
) RETURNS void
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_nestloop = off
AS $$
BEGIN
    PERFORM lock_lanes(ARRAY[p_lane]);
    WITH arrived AS MATERIALIZED (
        SELECT given.n, given.shelf_id, given.fingerprint, given.sealed
        FROM unnest(p_shelf_ids, p_fingerprints, p_sealed)
            WITH ORDINALITY given(shelf_id, fingerprint, sealed, n)
    ),
    -- The last slot of each shelf; the lane's lock keeps it the last until we commit.
    tail AS MATERIALIZED (
        SELECT wanted.shelf_id, coalesce((
            SELECT code.slot
            FROM code
            WHERE code.lane = p_lane AND code.shelf_id = wanted.shelf_id
            ORDER BY code.slot DESC
            LIMIT 1
        ), 0) AS slot
        FROM (SELECT DISTINCT arrived.shelf_id FROM arrived) wanted
    )
    INSERT INTO code (lane, shelf_id, slot, batch_id, fingerprint, sealed)
    SELECT p_lane, arrived.shelf_id,
        tail.slot + row_number() OVER (PARTITION BY arrived.shelf_id ORDER BY arrived.n),
        p_batch_id, arrived.fingerprint, arrived.sealed
    FROM arrived
    JOIN tail ON tail.shelf_id = arrived.shelf_id
    ORDER BY arrived.fingerprint;
    INSERT INTO stock_mark (lane, sku_id) VALUES (p_lane, p_sku_id);
END $$;
