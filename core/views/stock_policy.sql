-- name: sku_of_policy
SELECT sku_id, tags FROM sku WHERE sku_ref = $1::text
