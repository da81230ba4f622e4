-- name: stopped
SELECT kill_switch.scope, coalesce(channel.name, sku.sku_ref, '') AS name, kill_switch.actor, kill_switch.reason,
    kill_switch.stopped_at
FROM kill_switch
LEFT JOIN channel ON kill_switch.scope = 'channel' AND channel.channel_id = kill_switch.subject_id
LEFT JOIN sku ON kill_switch.scope = 'sku' AND sku.sku_id = kill_switch.subject_id
ORDER BY kill_switch.stopped_at, kill_switch.scope, name

-- name: switch_events
SELECT switch_event.event_id, switch_event.scope, coalesce(channel.name, sku.sku_ref, '') AS name,
    switch_event.stopped, switch_event.actor, switch_event.reason, switch_event.at
FROM switch_event
LEFT JOIN channel ON switch_event.scope = 'channel' AND channel.channel_id = switch_event.subject_id
LEFT JOIN sku ON switch_event.scope = 'sku' AND sku.sku_id = switch_event.subject_id
ORDER BY switch_event.event_id DESC
LIMIT $1::int

-- name: trips
-- What the guard has closed, and what it had, the latest first.
SELECT guard_trip.trip_id, channel.name AS channel, listing.listing_ref, sku.sku_ref, guard_trip.line,
    guard_trip.why, guard_trip.closed_at, guard_trip.opened_at, guard_trip.opened_by, guard_trip.opened_why
FROM guard_trip
JOIN channel ON channel.channel_id = guard_trip.channel_id
LEFT JOIN listing ON listing.listing_id = guard_trip.listing_id
LEFT JOIN sku ON sku.sku_id = listing.sku_id
WHERE guard_trip.opened_at IS NULL OR NOT $1::boolean
ORDER BY guard_trip.opened_at IS NOT NULL, guard_trip.trip_id DESC
LIMIT $2::int

-- name: reach
-- What a switch is about, by its scope and the name of its channel or SKU.
SELECT
    $1::text = 'everything' OR EXISTS (SELECT FROM channel WHERE $1::text = 'channel' AND channel.name = $2::text)
        OR EXISTS (SELECT FROM sku WHERE $1::text = 'sku' AND sku.sku_ref = $2::text) AS known,
    EXISTS (
        SELECT FROM kill_switch
        LEFT JOIN channel ON kill_switch.scope = 'channel' AND channel.channel_id = kill_switch.subject_id
        LEFT JOIN sku ON kill_switch.scope = 'sku' AND sku.sku_id = kill_switch.subject_id
        WHERE kill_switch.scope = $1::text AND coalesce(channel.name, sku.sku_ref, '') = $2::text
    ) AS stopped,
    count(*)::bigint AS listings,
    count(*) FILTER (WHERE offer.published_on AND offer.published_quantity > 0)::bigint AS on_sale,
    count(DISTINCT listing.channel_id)::bigint AS channels
FROM listing
JOIN channel ON channel.channel_id = listing.channel_id
JOIN sku ON sku.sku_id = listing.sku_id
LEFT JOIN offer ON offer.listing_id = listing.listing_id
WHERE $1::text = 'everything' OR ($1::text = 'channel' AND channel.name = $2::text)
    OR ($1::text = 'sku' AND sku.sku_ref = $2::text)
