-- name: closures
-- Everything that closes offers now, of which there is little: switches, pauses, and what the guard closed.
SELECT scope AS kind, subject_id, NULL::int AS listing_id, 'stopped by ' || actor || ': ' || reason AS why
FROM kill_switch
WHERE scope <> 'sku' OR subject_id = ANY ($1::int[])
UNION ALL
SELECT 'paused', channel_id, NULL, 'the channel is paused: ' || coalesce(paused_reason, '')
FROM channel
WHERE paused_at IS NOT NULL
UNION ALL
SELECT 'guard', channel_id, listing_id, 'closed by the guard: ' || why
FROM guard_trip
WHERE opened_at IS NULL
