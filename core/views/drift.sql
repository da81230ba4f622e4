-- name: drifts
-- What was seen to differ: questions that wait first, then the latest.
SELECT drift.drift_id, channel.name AS channel, channel.currency, drift.listing_ref, sku.sku_ref, drift.what, drift.kind,
    drift.action, drift.asks AND drift.decision IS NULL AS waits, drift.why, drift.published, drift.observed,
    drift.times, drift.seen_at, drift.last_seen_at, drift.decision, drift.decided_at, drift.decided_by,
    drift.decided_why
FROM drift
JOIN channel ON channel.channel_id = drift.channel_id
LEFT JOIN listing ON listing.listing_id = drift.listing_id
LEFT JOIN sku ON sku.sku_id = listing.sku_id
WHERE ($1::text IS NULL OR channel.name = $1::text)
    AND (NOT $2::boolean OR (drift.asks AND drift.decision IS NULL))
ORDER BY drift.asks AND drift.decision IS NULL DESC, drift.last_seen_at DESC, drift.drift_id DESC
LIMIT $3::int

-- name: adopted
SELECT channel.name AS channel, channel.currency, listing.listing_ref, sku.sku_ref, adoption.what, adoption.amount,
    adoption.net_minor, adoption.actor, adoption.reason, adoption.adopted_at
FROM adoption
JOIN listing ON listing.listing_id = adoption.listing_id
JOIN channel ON channel.channel_id = listing.channel_id
JOIN sku ON sku.sku_id = listing.sku_id
WHERE $1::text IS NULL OR channel.name = $1::text
ORDER BY adoption.adopted_at DESC, adoption.listing_id, adoption.what
LIMIT $2::int
