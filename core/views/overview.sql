-- name: least_stock
-- Listed SKUs with the fewest free codes. Counting goes by slot numbers, so it costs the same for any stock.
SELECT sku.sku_ref, sku.title, coalesce(sum(shelves.free), 0)::bigint AS free
FROM sku
LEFT JOIN stock_of_house() shelves ON shelves.sku_id = sku.sku_id AND shelves.expires_at > $1::timestamptz
WHERE EXISTS (SELECT FROM listing WHERE listing.sku_id = sku.sku_id AND listing.enabled)
GROUP BY sku.sku_id
ORDER BY free, sku.sku_ref
