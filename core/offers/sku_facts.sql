-- name: free_codes
SELECT sku_id, nullif(expires_at, 'infinity') AS expires_at, unit_cost_minor, currency, free
FROM stock_of_skus($1::int[])
WHERE expires_at > $2::timestamptz

-- name: base_prices
SELECT sku_id, currency, base_price_minor FROM sku_price WHERE sku_id = ANY ($1::int[])

-- name: sku_facts
SELECT sku_id, sku_ref, tags, brand, kind, region, face_value_minor, face_currency
FROM sku
WHERE sku_id = ANY ($1::int[])
