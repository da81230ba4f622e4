-- The sweeps that keep the history: each moves a cursor in the transaction in which it writes what it found.

-- name: lock_cursor
-- Nobody else may do the same at the same time; who finds the row locked leaves it to the other.
SELECT reached FROM history_cursor WHERE subject = $1::text FOR UPDATE SKIP LOCKED

-- name: counted_until
-- What another sweep has committed.
SELECT reached FROM history_cursor WHERE subject = $1::text

-- name: move_cursor
UPDATE history_cursor SET reached = $2::timestamptz WHERE subject = $1::text

-- name: fresh_sales
-- What came in during a part of an hour; or ($3) what it has more of than was counted, when a whole hour is counted
-- again.
WITH sold AS MATERIALIZED (
    SELECT order_line.sku_id, channel_order.channel_id,
        sum(order_line.quantity) FILTER (WHERE channel_order.first_state <> 'refused') AS units,
        count(*) FILTER (WHERE channel_order.first_state <> 'refused') AS lines,
        sum(order_line.quantity) FILTER (WHERE channel_order.first_state = 'refused') AS refused_units,
        min(channel_order.created_at) FILTER (WHERE channel_order.first_state <> 'refused') AS first_at,
        max(channel_order.created_at) FILTER (WHERE channel_order.first_state <> 'refused') AS last_at
    FROM channel_order
    JOIN order_line ON order_line.order_id = channel_order.order_id
    WHERE channel_order.created_at >= $1::timestamptz
        AND channel_order.created_at < $2::timestamptz
        AND channel_order.first_state <> 'cancelled'
    GROUP BY order_line.sku_id, channel_order.channel_id
)
SELECT sold.sku_id, sold.channel_id,
    (coalesce(sold.units, 0) - coalesce(known.units, 0))::bigint AS units,
    (sold.lines - coalesce(known.lines, 0))::bigint AS lines,
    (coalesce(sold.refused_units, 0) - coalesce(known.refused_units, 0))::bigint AS refused_units,
    sold.first_at, sold.last_at
FROM sold
LEFT JOIN sale_hour known ON $3::boolean
    AND known.sku_id = sold.sku_id
    AND known.channel_id = sold.channel_id
    AND known.hour = $1::timestamptz
WHERE coalesce(sold.units, 0) > coalesce(known.units, 0)
    OR coalesce(sold.refused_units, 0) > coalesce(known.refused_units, 0)
ORDER BY sold.sku_id, sold.channel_id

-- name: add_hours
INSERT INTO sale_hour (sku_id, channel_id, hour, units, lines, refused_units)
SELECT sku_id, channel_id, $1::timestamptz, units, lines, refused_units
FROM unnest($2::int[], $3::int[], $4::bigint[], $5::bigint[], $6::bigint[])
    fresh(sku_id, channel_id, units, lines, refused_units)
ON CONFLICT ON CONSTRAINT sale_hour_key
DO UPDATE SET units = sale_hour.units + excluded.units,
    lines = sale_hour.lines + excluded.lines,
    refused_units = sale_hour.refused_units + excluded.refused_units

-- name: add_selling
-- The later of the two moments is the new one: the other sum fades up to it. So what came late counts as what it is.
INSERT INTO selling (sku_id, channel_id, quick_units, slow_units, slow_lines, counted_at, first_sold_at, last_sold_at)
SELECT sku_id, channel_id, units, units, lines, $1::timestamptz, first_at, last_at
FROM unnest($2::int[], $3::int[], $4::float8[], $5::float8[], $6::timestamptz[], $7::timestamptz[])
    fresh(sku_id, channel_id, units, lines, first_at, last_at)
WHERE units > 0
ON CONFLICT ON CONSTRAINT selling_key
DO UPDATE SET
    quick_units = faded(selling.quick_units, extract(epoch FROM excluded.counted_at - selling.counted_at)::float8, $8)
        + faded(excluded.quick_units, extract(epoch FROM selling.counted_at - excluded.counted_at)::float8, $8),
    slow_units = faded(selling.slow_units, extract(epoch FROM excluded.counted_at - selling.counted_at)::float8, $9)
        + faded(excluded.slow_units, extract(epoch FROM selling.counted_at - excluded.counted_at)::float8, $9),
    slow_lines = faded(selling.slow_lines, extract(epoch FROM excluded.counted_at - selling.counted_at)::float8, $9)
        + faded(excluded.slow_lines, extract(epoch FROM selling.counted_at - excluded.counted_at)::float8, $9),
    counted_at = greatest(selling.counted_at, excluded.counted_at),
    first_sold_at = least(selling.first_sold_at, excluded.first_sold_at),
    last_sold_at = greatest(selling.last_sold_at, excluded.last_sold_at)

-- name: look_at_levels
-- Every SKU that ever had a shelf: an empty one is a level, too.
INSERT INTO stock_day (sku_id, day, samples, units_sum, lowest, highest)
SELECT sku_id, ($1::timestamptz AT TIME ZONE 'UTC')::date, 1, free, free, free
FROM (
    SELECT sku_id, greatest(coalesce(sum(free) FILTER (WHERE expires_at > $1::timestamptz), 0), 0)::bigint AS free
    FROM stock_of_house()
    GROUP BY sku_id
) level
ORDER BY sku_id
ON CONFLICT ON CONSTRAINT stock_day_key
DO UPDATE SET samples = stock_day.samples + 1,
    units_sum = stock_day.units_sum + excluded.units_sum,
    lowest = least(stock_day.lowest, excluded.lowest),
    highest = greatest(stock_day.highest, excluded.highest)

-- name: sum_up_lags
-- An hour counts half as much as the same hour a day later: a channel that has become slow shows it within a day.
INSERT INTO channel_lag (channel_id, buckets, weights, measured_at)
SELECT channel_id, array_agg(bucket ORDER BY bucket),
    array_agg(weight / total ORDER BY bucket), $1::timestamptz
FROM (
    SELECT channel_id, bucket, weight, sum(weight) OVER (PARTITION BY channel_id) AS total
    FROM (
        SELECT channel_id, bucket,
            sum(faded(samples::float8, extract(epoch FROM $1::timestamptz - hour)::float8, 86400)) AS weight
        FROM publish_lag
        GROUP BY channel_id, bucket
    ) weighed
) shared
WHERE total > 0
GROUP BY channel_id
ORDER BY channel_id
ON CONFLICT ON CONSTRAINT channel_lag_key
DO UPDATE SET buckets = excluded.buckets, weights = excluded.weights, measured_at = excluded.measured_at

-- name: drop_old_sales
DELETE FROM sale_hour WHERE hour < $1::timestamptz

-- name: drop_old_levels
DELETE FROM stock_day WHERE day < ($1::timestamptz AT TIME ZONE 'UTC')::date

-- name: drop_old_lags
DELETE FROM publish_lag WHERE hour < $1::timestamptz
