-- What was measured, as a claim reads it: a few rows per SKU, one per channel.

-- name: selling
SELECT sku_id, channel_id, quick_units, slow_units, slow_lines, counted_at, last_sold_at
FROM selling
WHERE sku_id = ANY ($1::int[])
ORDER BY sku_id, channel_id

-- name: sku_history
-- The median of the daily levels, each the mean of that day's looks; and since when its sales were watched: since
-- there was such a SKU, or an order of it that is older than what we know of it.
SELECT sku.sku_id,
    (
        SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY stock_day.units_sum::float8 / stock_day.samples)
        FROM stock_day
        WHERE stock_day.sku_id = sku.sku_id
            AND stock_day.day > ($3::timestamptz AT TIME ZONE 'UTC')::date - $2::int
    ) AS usual_stock,
    least(sku.created_at, coalesce((
        SELECT min(selling.first_sold_at) FROM selling WHERE selling.sku_id = sku.sku_id
    ), sku.created_at)) AS watched_since
FROM sku
WHERE sku.sku_id = ANY ($1::int[])

-- name: lags
SELECT channel_id, buckets, weights FROM channel_lag ORDER BY channel_id
