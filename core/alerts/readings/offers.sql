-- Offers as alerts measure them, and the rates that their prices hang on.
-- Each query answers with every subject there is, well or not: what is not answered is gone.

-- name: channel_names
SELECT channel_id, name FROM channel ORDER BY name

-- name: drifts
-- Listings of each channel that showed something within $2 which nobody there or here had meant.
SELECT channel.name AS channel, count(DISTINCT drift.listing_ref)::bigint AS drifted,
    count(DISTINCT drift.listing_ref) FILTER (WHERE drift.asks AND drift.decision IS NULL)::bigint AS asking,
    (array_agg(drift.listing_ref ORDER BY drift.last_seen_at DESC) FILTER (WHERE drift.drift_id IS NOT NULL))[1]
        AS last_ref
FROM channel
LEFT JOIN drift ON drift.channel_id = channel.channel_id
    AND drift.last_seen_at > $1::timestamptz - $2::interval
    AND drift.action <> 'leave'
GROUP BY channel.name
ORDER BY channel.name

-- name: guards
-- How much of each channel the guard keeps closed: listings, or all of it.
SELECT channel.name AS channel, count(guard_trip.trip_id)::bigint AS closed,
    (array_agg(guard_trip.why ORDER BY guard_trip.listing_id IS NOT NULL, guard_trip.closed_at)
        FILTER (WHERE guard_trip.trip_id IS NOT NULL))[1] AS why
FROM channel
LEFT JOIN guard_trip ON guard_trip.channel_id = channel.channel_id AND guard_trip.opened_at IS NULL
GROUP BY channel.name
ORDER BY channel.name

-- name: prices_held
-- Prices that wait for a person, by channel.
SELECT channel.name AS channel, count(price_hold.hold_id)::bigint AS held, min(price_hold.asked_at) AS first_at
FROM channel
LEFT JOIN listing ON listing.channel_id = channel.channel_id
LEFT JOIN price_hold ON price_hold.listing_id = listing.listing_id AND price_hold.verdict IS NULL
GROUP BY channel.name
ORDER BY channel.name

-- name: rates
-- How old the latest rate of each pair is whose currencies are both in use; others may age in peace.
WITH used AS (
    SELECT currency FROM channel
    UNION
    SELECT currency FROM sku_price
    UNION
    SELECT currency FROM batch WHERE currency IS NOT NULL
)
SELECT latest.base, latest.quote, latest.source, latest.valid_at,
    extract(epoch FROM $1::timestamptz - latest.valid_at)::float8 AS seconds
FROM (
    SELECT DISTINCT ON (rate.base, rate.quote) rate.base, rate.quote, rate.source, rate.valid_at
    FROM rate
    WHERE rate.base IN (SELECT currency FROM used) AND rate.quote IN (SELECT currency FROM used)
    ORDER BY rate.base, rate.quote, rate.valid_at DESC, rate.rate_id DESC
) latest
ORDER BY latest.base, latest.quote
