-- name: seasons
-- Units of each SKU by weekday (1 is Monday) and hour of whole weeks, and by month of a year; UTC. The rows of
-- one kind have the columns of the others empty; one row has none of them, and is all units of the weeks.
SELECT sku_id, weekday, hour_of_day, month,
    sum(units) FILTER (WHERE recent)::bigint AS recent_units,
    sum(units)::bigint AS units
FROM (
    SELECT sale_hour.sku_id, sale_hour.units, sale_hour.hour >= $3::timestamptz AS recent,
        extract(isodow FROM sale_hour.hour AT TIME ZONE 'UTC')::int AS weekday,
        extract(hour FROM sale_hour.hour AT TIME ZONE 'UTC')::int AS hour_of_day,
        extract(month FROM sale_hour.hour AT TIME ZONE 'UTC')::int AS month
    FROM sale_hour
    WHERE sale_hour.sku_id = ANY ($1::int[]) AND sale_hour.hour >= $2::timestamptz AND sale_hour.hour < $4::timestamptz
) sold
GROUP BY GROUPING SETS ((sku_id, weekday), (sku_id, hour_of_day), (sku_id, month), (sku_id))
