-- name: add_channels
INSERT INTO channel (name, connector, currency)
SELECT 'shop-' || n, 'woocommerce', 'EUR' FROM generate_series(1, $1::int) n

-- name: add_skus
-- So many SKUs, each with its price, a shelf with a cost, and a listing on every channel.
WITH consignor_made AS (
    INSERT INTO consignor (name) VALUES ('Ada') RETURNING consignor_id
),
key_made AS (
    INSERT INTO sealing_key (key_id, check_value) VALUES ('bench', 'x')
),
sku_made AS (
    INSERT INTO sku (lane, sku_ref, title, tags)
    SELECT 0, 'S' || n, 'S' || n, ARRAY['card'] FROM generate_series(1, $1::int) n
    RETURNING sku_id, sku_ref
),
priced AS (
    INSERT INTO sku_price (sku_id, currency, base_price_minor)
    SELECT sku_id, 'EUR', 1000 + sku_id % 4000 FROM sku_made
),
batch_made AS (
    INSERT INTO batch (sku_id, consignor_id, source_name, key_id, wrapped_key, created_by)
    SELECT sku_made.sku_id, consignor_made.consignor_id, 'bench', 'bench', 'x', 'bench'
    FROM sku_made
    CROSS JOIN consignor_made
),
shelf_made AS (
    INSERT INTO shelf (lane, sku_id, consignor_id, priority, unit_cost_minor, currency)
    SELECT 0, sku_made.sku_id, consignor_made.consignor_id, 100, 800 + sku_made.sku_id % 3000, 'EUR'
    FROM sku_made
    CROSS JOIN consignor_made
)
INSERT INTO listing (channel_id, listing_ref, sku_id)
SELECT channel.channel_id, substr(sku_made.sku_ref, 2), sku_made.sku_id
FROM sku_made
CROSS JOIN channel

-- name: add_offers
-- Everything is told and acknowledged already.
INSERT INTO offer (listing_id, wanted_quantity, wanted_price_minor, wanted_net_minor, wanted_on, wanted_at, why,
    published_quantity, published_price_minor, published_net_minor, published_on, published_at, dirty_version,
    acked_version)
SELECT listing_id, 5, 2000, 1750, true, now(), '{"price_state": "priced"}', 5, 2000, 1750, true, now(), 1, 1
FROM listing

-- name: set_prices
UPDATE offer
SET wanted_price_minor = told.gross, published_price_minor = told.gross,
    wanted_net_minor = told.net, published_net_minor = told.net
FROM unnest($1::int[], $2::bigint[], $3::bigint[]) told(listing_id, gross, net)
WHERE offer.listing_id = told.listing_id

-- name: channels
SELECT channel_id, name FROM channel ORDER BY channel_id

-- name: shown
-- What the shop of a channel shows at the beginning.
SELECT listing.listing_ref, sku.sku_ref, offer.published_quantity, offer.published_price_minor
FROM listing
JOIN sku ON sku.sku_id = listing.sku_id
JOIN offer ON offer.listing_id = listing.listing_id
WHERE listing.channel_id = $1::int
ORDER BY listing.listing_id

-- name: marked
SELECT count(*) FROM offer WHERE dirty_version > acked_version

-- name: watch_answers
-- Writes down to the microsecond when a channel's answer was settled; only here, and nowhere in the product.
CREATE TABLE bench_answer (listing_id int NOT NULL, quantity int NOT NULL, at timestamptz NOT NULL);
CREATE FUNCTION bench_note_answer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO bench_answer VALUES (NEW.listing_id, NEW.published_quantity, clock_timestamp());
    RETURN NULL;
END $$;
CREATE TRIGGER bench_answered AFTER UPDATE ON offer
    FOR EACH ROW
    WHEN (NEW.published_quantity < OLD.published_quantity)
    EXECUTE FUNCTION bench_note_answer()

-- name: answers
-- For how many of a SKU's other listings a channel has answered to a smaller quantity since a mark, and how long the
-- last of them took.
SELECT count(DISTINCT bench_answer.listing_id)::int AS answered,
    extract(epoch FROM max(bench_answer.at) - $3::timestamptz)::float8 AS seconds
FROM bench_answer
JOIN listing ON listing.listing_id = bench_answer.listing_id
WHERE listing.sku_id = $1::int AND listing.channel_id <> $2::int AND bench_answer.at >= $3::timestamptz

-- name: last_mark
-- When the last sale of a SKU was committed.
SELECT max(marked_at) AS marked_at FROM stock_mark WHERE sku_id = $1::int AND listing_id IS NOT NULL
