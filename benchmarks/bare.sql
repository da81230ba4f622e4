-- name: schema
-- The least that keeps codes from being sold twice and splits each sale: eight rows, nine index entries.
CREATE SCHEMA bare;
CREATE TABLE bare.code (sku_id int, slot bigint, sealed bytea NOT NULL, PRIMARY KEY (sku_id, slot));
CREATE TABLE bare.allocation (sku_id int, slot bigint, order_id bigint NOT NULL, PRIMARY KEY (sku_id, slot));
CREATE TABLE bare.sale (
    order_id bigint PRIMARY KEY,
    channel_id int NOT NULL,
    order_ref text NOT NULL,
    sku_id int NOT NULL,
    amount_minor bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (channel_id, order_ref)
);
CREATE TABLE bare.entry (order_id bigint, entry_no smallint, account_id int, amount_minor bigint, PRIMARY KEY (order_id, entry_no));
CREATE TABLE bare.mark (mark_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, sku_id int NOT NULL);

CREATE FUNCTION bare.sell(p_order_id bigint[], p_ref text[], p_sku_id int[]) RETURNS bigint
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_nestloop = off
SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    v_sold bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(7799, 1);
    WITH asked AS MATERIALIZED (
        SELECT i.order_id, i.ref, i.sku_id, row_number() OVER (PARTITION BY i.sku_id ORDER BY i.n) AS rank
        FROM unnest(p_order_id, p_ref, p_sku_id) WITH ORDINALITY i(order_id, ref, sku_id, n)
        WHERE (SELECT sale.order_id FROM bare.sale WHERE sale.channel_id = 1 AND sale.order_ref = i.ref) IS NULL
    ),
    place AS MATERIALIZED (
        SELECT need.sku_id, free.slot, free.sealed, row_number() OVER (PARTITION BY need.sku_id ORDER BY free.slot) AS rank
        FROM (SELECT asked.sku_id, count(*) AS quantity FROM asked GROUP BY asked.sku_id) need
        CROSS JOIN LATERAL (
            SELECT code.slot, code.sealed
            FROM bare.code
            WHERE code.sku_id = need.sku_id
                AND code.slot > coalesce((
                    SELECT allocation.slot
                    FROM bare.allocation
                    WHERE allocation.sku_id = need.sku_id
                    ORDER BY allocation.slot DESC
                    LIMIT 1
                ), 0)
            ORDER BY code.slot
            LIMIT need.quantity
        ) free
    ),
    taken AS MATERIALIZED (
        SELECT asked.order_id, asked.ref, asked.sku_id, place.slot, place.sealed
        FROM asked
        JOIN place ON place.sku_id = asked.sku_id AND place.rank = asked.rank
    ),
    placed AS (
        INSERT INTO bare.sale (order_id, channel_id, order_ref, sku_id, amount_minor)
        SELECT order_id, 1, ref, sku_id, 2000 FROM taken
    ),
    allocated AS (
        INSERT INTO bare.allocation (sku_id, slot, order_id) SELECT sku_id, slot, order_id FROM taken
    ),
    posted AS (
        INSERT INTO bare.entry (order_id, entry_no, account_id, amount_minor)
        SELECT taken.order_id, n, n, ('{1750,250,-250,-88,-1662}'::bigint[])[n]
        FROM taken, generate_series(1, 5) n
    ),
    marked AS (
        INSERT INTO bare.mark (sku_id) SELECT DISTINCT sku_id FROM taken
    )
    SELECT count(*) + 0 * sum(length(sealed)) INTO v_sold FROM taken;
    RETURN v_sold;
END $$

-- name: fill
INSERT INTO bare.code (sku_id, slot, sealed)
SELECT sku_id, slot, decode(repeat('ab', 44), 'hex')
FROM generate_series(1, $1::int) sku_id, generate_series(1, $2::bigint) slot

-- name: settle
VACUUM (ANALYZE) bare.code

-- name: analyze
-- A plan that was made while a table was empty is made anew.
ANALYZE bare.sale, bare.allocation, bare.entry, bare.mark

-- name: sell
SELECT bare.sell($1::text::bigint[], $2::text[], $3::text::int[])

-- name: bulk
-- So many sales of every SKU at once, the same rows.
WITH taken AS MATERIALIZED (
    SELECT $1::bigint + row_number() OVER () AS order_id, sku.sku_id, free.slot, free.sealed
    FROM generate_series(1, $2::int) sku(sku_id)
    CROSS JOIN LATERAL (
        SELECT code.slot, code.sealed
        FROM bare.code
        WHERE code.sku_id = sku.sku_id
            AND code.slot > coalesce((
                SELECT allocation.slot
                FROM bare.allocation
                WHERE allocation.sku_id = sku.sku_id
                ORDER BY allocation.slot DESC
                LIMIT 1
            ), 0)
        ORDER BY code.slot
        LIMIT $3::bigint
    ) free
),
placed AS (
    INSERT INTO bare.sale (order_id, channel_id, order_ref, sku_id, amount_minor)
    SELECT order_id, 1, 'B' || order_id, sku_id, 2000 FROM taken
),
allocated AS (
    INSERT INTO bare.allocation (sku_id, slot, order_id) SELECT sku_id, slot, order_id FROM taken
),
posted AS (
    INSERT INTO bare.entry (order_id, entry_no, account_id, amount_minor)
    SELECT taken.order_id, n, n, ('{1750,250,-250,-88,-1662}'::bigint[])[n]
    FROM taken, generate_series(1, 5) n
),
marked AS (
    INSERT INTO bare.mark (sku_id) SELECT DISTINCT sku_id FROM taken
)
SELECT count(*), sum(length(sealed)) FROM taken
