-- How late channels learn of sales elsewhere.

-- name: lag_buckets
SELECT channel.name, publish_lag.bucket, sum(publish_lag.samples)::bigint AS samples,
    max(publish_lag.longest_seconds) AS longest_seconds
FROM publish_lag
JOIN channel ON channel.channel_id = publish_lag.channel_id
WHERE publish_lag.hour >= date_trunc('hour', $1::timestamptz, 'UTC')
GROUP BY channel.name, publish_lag.bucket
ORDER BY channel.name, publish_lag.bucket

-- name: waiting
-- All channels, with the offers that have a sale elsewhere still to answer.
SELECT channel.name, count(offer.listing_id) AS waiting,
    extract(epoch FROM now() - min(least(offer.sale_at, offer.told_sale_at)))::float8 AS oldest_wait_seconds
FROM channel
LEFT JOIN listing ON listing.channel_id = channel.channel_id
LEFT JOIN offer ON offer.listing_id = listing.listing_id
    AND (offer.sale_at IS NOT NULL OR offer.told_sale_at IS NOT NULL)
GROUP BY channel.name
ORDER BY channel.name
