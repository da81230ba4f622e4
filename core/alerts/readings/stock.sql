-- Stock as alerts measure it.
-- Each query answers with every subject there is, well or not: what is not answered is gone.

-- name: stock
-- Free codes of every listed SKU. Counting goes by slot numbers, so it costs the same for any stock.
SELECT sku.sku_id, sku.sku_ref, sku.title, sku.tags, listed.channels, coalesce(free.codes, 0)::bigint AS codes
FROM sku
JOIN (
    SELECT listing.sku_id, array_agg(DISTINCT channel.name) AS channels
    FROM listing
    JOIN channel ON channel.channel_id = listing.channel_id
    WHERE listing.enabled
    GROUP BY listing.sku_id
) listed ON listed.sku_id = sku.sku_id
LEFT JOIN (
    SELECT sku_id, sum(free) AS codes
    FROM stock_of_house()
    WHERE expires_at > $1::timestamptz
    GROUP BY sku_id
) free ON free.sku_id = sku.sku_id
ORDER BY sku.sku_ref

-- name: expiring
-- Free codes that end within $2 from now, of every SKU that has any shelf.
SELECT sku.sku_ref, sku.title, sku.tags,
    coalesce(listed.channels, '{}') AS channels, ending.codes, ending.first_at
FROM sku
JOIN (
    SELECT sku_id,
        coalesce(sum(free) FILTER (WHERE expires_at <= $1::timestamptz + $2::interval), 0)::bigint
            AS codes,
        min(expires_at) FILTER (
            WHERE expires_at <= $1::timestamptz + $2::interval AND free > 0
        ) AS first_at
    FROM stock_of_house()
    WHERE expires_at > $1::timestamptz
    GROUP BY sku_id
) ending ON ending.sku_id = sku.sku_id
LEFT JOIN (
    SELECT listing.sku_id, array_agg(DISTINCT channel.name) AS channels
    FROM listing
    JOIN channel ON channel.channel_id = listing.channel_id
    WHERE listing.enabled
    GROUP BY listing.sku_id
) listed ON listed.sku_id = sku.sku_id
ORDER BY sku.sku_ref
