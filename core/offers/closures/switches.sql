-- name: stop
INSERT INTO kill_switch (scope, subject_id, actor, reason, stopped_at)
VALUES ($1::text, $2::int, $3::text, $4::text, $5::timestamptz)
ON CONFLICT ON CONSTRAINT kill_switch_key
DO UPDATE SET actor = excluded.actor, reason = excluded.reason, stopped_at = excluded.stopped_at

-- name: release
DELETE FROM kill_switch WHERE scope = $1::text AND subject_id = $2::int RETURNING stopped_at

-- name: add_switch_event
INSERT INTO switch_event (scope, subject_id, stopped, actor, reason, at)
VALUES ($1::text, $2::int, $3::boolean, $4::text, $5::text, $6::timestamptz)

-- name: find_channel
SELECT channel_id FROM channel WHERE name = $1::text

-- name: find_sku
SELECT sku_id FROM sku WHERE sku_ref = $1::text

-- name: press
-- Offers that have to go off or may come back are told before all others, whatever they were waiting for; the
-- other listings of their SKUs are worked out again as well, since their shares change. Locked in key order.
WITH hit AS MATERIALIZED (
    SELECT other.listing_id, bool_or(other.listing_id = closed.listing_id) AS urgent
    FROM listing closed
    JOIN listing other ON other.sku_id = closed.sku_id
    WHERE ($1::int IS NULL OR closed.channel_id = $1::int)
        AND ($2::int IS NULL OR closed.sku_id = $2::int)
        AND ($3::int[] IS NULL OR closed.listing_id = ANY ($3::int[]))
    GROUP BY other.listing_id
),
locked AS MATERIALIZED (
    SELECT offer.listing_id FROM offer JOIN hit ON hit.listing_id = offer.listing_id
    ORDER BY offer.listing_id
    FOR UPDATE OF offer
)
UPDATE offer
SET dirty_version = offer.dirty_version + 1,
    dirty_since = CASE
        WHEN offer.dirty_version > offer.acked_version THEN offer.dirty_since
        ELSE $4::timestamptz
    END,
    urgent = offer.urgent OR hit.urgent,
    retry_at = CASE WHEN hit.urgent THEN '-infinity' ELSE offer.retry_at END
FROM hit, locked
WHERE locked.listing_id = hit.listing_id AND offer.listing_id = hit.listing_id

-- name: refused_by_switch
-- Why a new reservation is refused; no row where nothing stops it. An order that is known keeps its answer.
SELECT 'stopped by ' || actor || ': ' || reason
FROM kill_switch
WHERE (
        scope = 'everything'
        OR (scope = 'channel' AND subject_id = $1::int)
        OR (scope = 'sku' AND subject_id IN (
            SELECT sku_id FROM listing WHERE channel_id = $1::int AND listing_ref = ANY ($3::text[])
        ))
    )
    AND NOT EXISTS (SELECT FROM channel_order WHERE channel_id = $1::int AND order_ref = $2::text)
ORDER BY CASE scope WHEN 'everything' THEN 0 WHEN 'channel' THEN 1 ELSE 2 END
LIMIT 1
