-- name: sequence
-- Peers number their orders themselves, far above the product's.
CREATE SEQUENCE peer_order START 2000000000000 CACHE 100

-- name: stock
-- What a shop knows of a SKU: how many there were, and how many of them are given away.
CREATE TABLE peer_stock (
    sku_id int NOT NULL,
    quantity int NOT NULL,
    allocated int NOT NULL DEFAULT 0,
    CONSTRAINT peer_stock_key PRIMARY KEY (sku_id)
)

-- name: codes
-- A row per code, with a mark whether it is sold.
CREATE TABLE peer_code (
    code_id bigint GENERATED ALWAYS AS IDENTITY,
    sku_id int NOT NULL,
    sealed bytea NOT NULL,
    sold boolean NOT NULL DEFAULT false,
    CONSTRAINT peer_code_key PRIMARY KEY (code_id)
)

-- name: sales
-- What peers believe to have sold; no key stops a code from standing here twice. References to other tables, which
-- shops have and we do not, are left out, so that they cost peers nothing.
CREATE TABLE peer_sale (
    sale_id bigint GENERATED ALWAYS AS IDENTITY,
    code_id bigint NOT NULL,
    order_id bigint NOT NULL,
    CONSTRAINT peer_sale_key PRIMARY KEY (sale_id)
)

-- name: fill_codes
INSERT INTO peer_code (sku_id, sealed)
SELECT shelf.sku_id, code.sealed
FROM code
JOIN shelf ON shelf.lane = code.lane AND shelf.shelf_id = code.shelf_id
WHERE code.slot <= $1::bigint
ORDER BY code.shelf_id, code.slot

-- name: fill_stock
INSERT INTO peer_stock (sku_id, quantity) SELECT sku_id, count(*) FROM peer_code GROUP BY sku_id

-- name: index
-- The best index there is for "first unsold".
CREATE INDEX peer_code_free ON peer_code (sku_id, code_id) WHERE NOT sold

-- name: forget
TRUNCATE peer_sale

-- name: tidy
-- Each pattern starts with true statistics, and without what the one before it left dead.
VACUUM (ANALYZE) peer_code, peer_stock

-- name: sold
-- Every sale beyond the first of the same code is one too many; each has to be delivered and split.
SELECT count(*) AS sold, count(*) - count(DISTINCT peer_sale.code_id) AS twice,
    count(*) FILTER (
        WHERE NOT EXISTS (SELECT FROM journal_transaction WHERE journal_transaction.order_id = peer_sale.order_id)
    ) AS unsplit
FROM peer_sale
