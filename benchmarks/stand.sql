-- name: add_market
-- One channel, its plan, so many SKUs over so many lanes, a shelf and a listing each.
WITH channel_made AS (
    INSERT INTO channel (name, connector, currency) VALUES ('bench', 'bench', 'EUR') RETURNING channel_id
),
consignor_made AS (
    INSERT INTO consignor (name) VALUES ('Ada') RETURNING consignor_id
),
key_made AS (
    INSERT INTO sealing_key (key_id, check_value) VALUES ('bench', 'x') RETURNING key_id
),
sku_made AS (
    INSERT INTO sku (lane, sku_ref, title)
    SELECT (n % $2::int)::smallint, 'S' || n, 'S' || n FROM generate_series(0, $1::int - 1) n
    RETURNING sku_id, lane, sku_ref
),
batch_made AS (
    INSERT INTO batch (sku_id, consignor_id, source_name, key_id, wrapped_key, created_by)
    SELECT sku_made.sku_id, consignor_made.consignor_id, 'bench', 'bench', 'x', 'bench'
    FROM sku_made
    CROSS JOIN consignor_made
),
shelf_made AS (
    INSERT INTO shelf (lane, sku_id, consignor_id, priority)
    SELECT sku_made.lane, sku_made.sku_id, consignor_made.consignor_id, 100
    FROM sku_made
    CROSS JOIN consignor_made
)
INSERT INTO listing (channel_id, listing_ref, sku_id)
SELECT channel_made.channel_id, sku_made.sku_ref, sku_made.sku_id
FROM sku_made
CROSS JOIN channel_made

-- name: add_codes
-- So many codes on every shelf. They are sealed with nothing: what the allocator reads is as long as a real one.
INSERT INTO code (lane, shelf_id, slot, batch_id, fingerprint, sealed)
SELECT shelf.lane, shelf.shelf_id, n, batch.batch_id,
    sha256(int8send(shelf.shelf_id * 100000000::bigint + n)), decode(repeat(md5(n::text), 5), 'hex')
FROM shelf
JOIN batch ON batch.sku_id = shelf.sku_id
CROSS JOIN generate_series(1, $1::bigint) n

-- name: settle
VACUUM (FREEZE, ANALYZE)

-- name: goods
SELECT listing.channel_id, listing.listing_id, sku.lane, sku.sku_id, shelf.shelf_id
FROM listing
JOIN sku ON sku.sku_id = listing.sku_id
JOIN shelf ON shelf.sku_id = sku.sku_id
ORDER BY sku.sku_id

-- name: rows_written
-- What the sales of a database have written; one sale is one of each and five entries.
SELECT (SELECT count(*) FROM channel_order) AS orders,
    (SELECT count(*) FROM order_line) AS lines,
    (SELECT count(*) FROM allocation) AS allocations,
    (SELECT count(*) FROM order_move) AS moves,
    (SELECT count(*) FROM journal_transaction) AS transactions,
    (SELECT count(*) / 5.0 FROM entry) AS fifths_of_entries

-- name: still_open
SELECT count(*) FROM open_order

-- name: checkpoint
CHECKPOINT
