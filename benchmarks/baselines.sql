-- name: prepare
-- The baselines' accounts.
INSERT INTO account (party, party_name, purpose, currency)
VALUES ('bench', '', 'receivable', 'EUR'), ('bench', '', 'commission', 'EUR'), ('bench', '', 'recharged', 'EUR'),
    ('bench', '', 'fee', 'EUR'), ('bench', '', 'payable', 'EUR')

-- name: base_account
SELECT min(account_id) FROM account WHERE party = 'bench'

-- name: free_code
-- The classical way: lock a free code, skip those that others hold.
SELECT code.slot, code.sealed
FROM code
WHERE code.lane = $1::smallint
    AND code.shelf_id = $2::int
    AND code.slot > coalesce((
        SELECT allocation.slot
        FROM allocation
        WHERE allocation.lane = $1::smallint AND allocation.shelf_id = $2::int
        ORDER BY allocation.slot DESC
        LIMIT 1
    ), 0)
ORDER BY code.slot
LIMIT 1
FOR UPDATE SKIP LOCKED

-- name: add_order
INSERT INTO channel_order (order_id, lane, channel_id, order_ref, first_state, request_hash, currency, placed_at,
    created_at)
VALUES ($1::bigint, $2::smallint, $3::int, $4::text, 'accepted', $5::bytea, 'EUR', now(), now())

-- name: add_line
INSERT INTO order_line (order_id, line_no, lane, line_ref, listing_id, sku_id, quantity, unit_price_minor,
    valid_until)
VALUES ($1::bigint, 1, $2::smallint, '1', $3::int, $4::int, 1, 2000, now())

-- name: add_allocation
INSERT INTO allocation (lane, shelf_id, slot, order_id, line_no)
VALUES ($1::smallint, $2::int, $3::bigint, $4::bigint, 1)

-- name: add_open
INSERT INTO open_order (order_id, channel_id, due_at) VALUES ($1::bigint, $2::int, now())

-- name: add_mark
INSERT INTO stock_mark (lane, sku_id, listing_id) VALUES ($1::smallint, $2::int, $3::int)

-- name: add_move
INSERT INTO order_move (order_id, move_no, from_state, to_state, moved_at, actor)
VALUES ($1::bigint, 1, 'accepted', 'delivered', now(), 'bench')

-- name: drop_open
DELETE FROM open_order WHERE order_id = $1::bigint

-- name: add_transaction
INSERT INTO journal_transaction (transaction_id, lane, kind, order_id, line_no, plan_id, posted_at)
VALUES ($1::bigint, $2::smallint, 'sale', $1::bigint, 1, $3::int, now())

-- name: add_entries
INSERT INTO entry (transaction_id, entry_no, account_id, amount_minor)
VALUES ($1::bigint, 1, $2::int, 1750), ($1::bigint, 2, $2::int + 1, 250), ($1::bigint, 3, $2::int + 2, -250),
    ($1::bigint, 4, $2::int + 3, -88), ($1::bigint, 5, $2::int + 4, -1662)

-- name: bulk_reserve
-- So many sales from every shelf at once, as many rows as single ones write, the codes read.
WITH taken AS MATERIALIZED (
    SELECT $1::bigint + row_number() OVER () AS order_id, shelf.lane, shelf.shelf_id, shelf.sku_id,
        listing.listing_id, listing.channel_id, free.slot, free.sealed
    FROM shelf
    JOIN listing ON listing.sku_id = shelf.sku_id
    CROSS JOIN LATERAL (
        SELECT code.slot, code.sealed
        FROM code
        WHERE code.lane = shelf.lane
            AND code.shelf_id = shelf.shelf_id
            AND code.slot > coalesce((
                SELECT allocation.slot
                FROM allocation
                WHERE allocation.lane = shelf.lane AND allocation.shelf_id = shelf.shelf_id
                ORDER BY allocation.slot DESC
                LIMIT 1
            ), 0)
        ORDER BY code.slot
        LIMIT $2::bigint
    ) free
),
placed AS (
    INSERT INTO channel_order (order_id, lane, channel_id, order_ref, first_state, request_hash, currency,
        placed_at, created_at)
    SELECT order_id, lane, channel_id, 'B' || order_id, 'accepted', decode(repeat('78', 32), 'hex'), 'EUR', now(),
        now()
    FROM taken
),
lined AS (
    INSERT INTO order_line (order_id, line_no, lane, line_ref, listing_id, sku_id, quantity, unit_price_minor,
        valid_until)
    SELECT order_id, 1, lane, '1', listing_id, sku_id, 1, 2000, now() FROM taken
),
allocated AS (
    INSERT INTO allocation (lane, shelf_id, slot, order_id, line_no)
    SELECT lane, shelf_id, slot, order_id, 1 FROM taken
),
opened AS (
    INSERT INTO open_order (order_id, channel_id, due_at) SELECT order_id, channel_id, now() FROM taken
),
marked AS (
    INSERT INTO stock_mark (lane, sku_id, listing_id) SELECT DISTINCT lane, sku_id, listing_id FROM taken
)
SELECT count(*), sum(length(sealed)) FROM taken

-- name: bulk_close
WITH moved AS (
    INSERT INTO order_move (order_id, move_no, from_state, to_state, moved_at, actor)
    SELECT n, 1, 'accepted', 'delivered', now(), 'bench'
    FROM generate_series($1::bigint + 1, $1::bigint + $2::bigint) n
),
closed AS (
    DELETE FROM open_order WHERE order_id BETWEEN $1::bigint + 1 AND $1::bigint + $2::bigint
),
posted AS (
    INSERT INTO journal_transaction (transaction_id, lane, kind, order_id, line_no, plan_id, posted_at)
    SELECT n, 0, 'sale', n, 1, $3::int, now()
    FROM generate_series($1::bigint + 1, $1::bigint + $2::bigint) n
)
INSERT INTO entry (transaction_id, entry_no, account_id, amount_minor)
SELECT n, part.entry_no, $4::int + part.entry_no - 1, part.amount_minor
FROM generate_series($1::bigint + 1, $1::bigint + $2::bigint) n
CROSS JOIN (VALUES (1, 1750), (2, 250), (3, -250), (4, -88), (5, -1662)) part(entry_no, amount_minor)

-- name: sequence
-- The baselines number their orders themselves, far above the product's.
CREATE SEQUENCE bench_order START 1000000000000 CACHE 100

-- name: block
SELECT setval('bench_order', nextval('bench_order') + $1::bigint) - $1::bigint
