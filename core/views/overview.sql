-- name: least_stock
-- Listed SKUs with the fewest free codes. Counting goes by slot numbers, so it costs the same for any stock.
SELECT sku.sku_ref, sku.title, coalesce(sum(shelves.free), 0)::bigint AS free
FROM sku
LEFT JOIN LATERAL (
    SELECT tail.slot - head.slot - gone.slots AS free
    FROM shelf
    CROSS JOIN LATERAL (
        SELECT coalesce((
            SELECT code.slot FROM code
            WHERE code.lane = shelf.lane AND code.shelf_id = shelf.shelf_id
            ORDER BY code.slot DESC
            LIMIT 1
        ), 0) AS slot
    ) tail
    CROSS JOIN LATERAL (
        SELECT coalesce((
            SELECT allocation.slot FROM allocation
            WHERE allocation.lane = shelf.lane AND allocation.shelf_id = shelf.shelf_id
            ORDER BY allocation.slot DESC
            LIMIT 1
        ), 0) AS slot
    ) head
    CROSS JOIN LATERAL (
        SELECT count(*) AS slots FROM departure
        WHERE departure.lane = shelf.lane AND departure.shelf_id = shelf.shelf_id AND departure.slot > head.slot
    ) gone
    WHERE shelf.sku_id = sku.sku_id AND shelf.expires_at > $1::timestamptz
) shelves ON true
WHERE EXISTS (SELECT FROM listing WHERE listing.sku_id = sku.sku_id AND listing.enabled)
GROUP BY sku.sku_id
ORDER BY free, sku.sku_ref
