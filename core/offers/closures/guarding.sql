-- name: note_outcomes
-- Failures and completions, once per order and listing; what was mended counts as completed. The listings are those
-- named, or those of the order; 0 stands for one that we do not know, which the channel counts all the same.
INSERT INTO guard_outcome (channel_id, asked, order_ref, listing_id, ok, at)
SELECT DISTINCT ON (told.channel_id, told.asked, told.order_ref, coalesce(found.listing_id, 0))
    told.channel_id, told.asked, told.order_ref, coalesce(found.listing_id, 0), told.ok, told.at
FROM unnest($1::int[], $2::text[], $3::text[], $4::boolean[], $5::timestamptz[], $6::text[])
    told(channel_id, asked, order_ref, ok, at, listing_refs)
LEFT JOIN LATERAL (
    SELECT listing.listing_id
    FROM listing
    WHERE listing.channel_id = told.channel_id
        AND listing.listing_ref = ANY (string_to_array(told.listing_refs, chr(31)))
    UNION
    SELECT order_line.listing_id
    FROM channel_order
    JOIN order_line ON order_line.order_id = channel_order.order_id
    WHERE told.listing_refs = ''
        AND channel_order.channel_id = told.channel_id AND channel_order.order_ref = told.order_ref
) found ON true
ORDER BY told.channel_id, told.asked, told.order_ref, coalesce(found.listing_id, 0), told.ok DESC, told.at
ON CONFLICT ON CONSTRAINT guard_outcome_key
DO UPDATE SET ok = true, at = excluded.at
WHERE excluded.ok AND NOT guard_outcome.ok

-- name: tallies
-- What a channel counts for one kind of question since a moment, by listing and over all; only where something
-- failed, and not before a person last said that it is mended. A failure in a row is one after which none was
-- completed.
WITH mended AS (
    SELECT listing_id, max(opened_at) AS at
    FROM guard_trip
    WHERE channel_id = $1::int AND opened_by <> 'guard'
    GROUP BY listing_id
),
whole AS (
    SELECT greatest($3::timestamptz, max(mended.at) FILTER (WHERE mended.listing_id IS NULL)) AS since FROM mended
),
failing AS (
    SELECT DISTINCT guard_outcome.listing_id
    FROM guard_outcome
    WHERE guard_outcome.channel_id = $1::int AND guard_outcome.asked = $2::text AND NOT guard_outcome.ok
        AND guard_outcome.at > $3::timestamptz
        AND guard_outcome.listing_id <> 0
        AND NOT $4::boolean
    UNION ALL
    SELECT NULL
    WHERE $4::boolean AND EXISTS (
        SELECT FROM guard_outcome
        WHERE guard_outcome.channel_id = $1::int AND guard_outcome.asked = $2::text AND NOT guard_outcome.ok
            AND guard_outcome.at > $3::timestamptz
    )
)
SELECT failing.listing_id, counted.failed::int, counted.completed::int, counted.streak::int
FROM failing
CROSS JOIN whole
LEFT JOIN mended ON mended.listing_id = failing.listing_id
CROSS JOIN LATERAL (
    SELECT max(done.at) AS at
    FROM guard_outcome done
    WHERE done.channel_id = $1::int AND done.asked = $2::text AND done.ok
        AND (failing.listing_id IS NULL OR done.listing_id = failing.listing_id)
) last
CROSS JOIN LATERAL (
    SELECT count(DISTINCT guard_outcome.order_ref) FILTER (WHERE NOT guard_outcome.ok) AS failed,
        count(DISTINCT guard_outcome.order_ref) FILTER (WHERE guard_outcome.ok) AS completed,
        count(DISTINCT guard_outcome.order_ref) FILTER (
            WHERE NOT guard_outcome.ok AND guard_outcome.at > coalesce(last.at, '-infinity')
        ) AS streak
    FROM guard_outcome
    WHERE guard_outcome.channel_id = $1::int AND guard_outcome.asked = $2::text
        AND (failing.listing_id IS NULL OR guard_outcome.listing_id = failing.listing_id)
        AND guard_outcome.at > greatest(whole.since, mended.at)
) counted

-- name: open_trips
SELECT trip_id, listing_id, line, why, closed_at FROM guard_trip WHERE channel_id = $1::int AND opened_at IS NULL

-- name: trip
INSERT INTO guard_trip (channel_id, listing_id, line, why, closed_at)
VALUES ($1::int, $2::int, $3::text, $4::text, $5::timestamptz)
ON CONFLICT (channel_id, coalesce(listing_id, 0), line) WHERE opened_at IS NULL DO NOTHING
RETURNING trip_id

-- name: open_trip
UPDATE guard_trip
SET opened_at = $2::timestamptz, opened_by = $3::text, opened_why = $4::text
WHERE trip_id = $1::bigint AND opened_at IS NULL
RETURNING trip_id

-- name: find_trips
SELECT guard_trip.trip_id, guard_trip.channel_id, guard_trip.listing_id
FROM guard_trip
JOIN channel ON channel.channel_id = guard_trip.channel_id
LEFT JOIN listing ON listing.listing_id = guard_trip.listing_id
WHERE guard_trip.opened_at IS NULL AND channel.name = $1::text
    AND ($2::text IS NULL OR listing.listing_ref = $2::text)
ORDER BY guard_trip.trip_id
FOR UPDATE OF guard_trip

-- name: drop_old_outcomes
-- Behind every window; the last completion of a listing is kept, since failures in a row are counted from it.
DELETE FROM guard_outcome
WHERE at < $1::timestamptz
    AND EXISTS (
        SELECT FROM guard_outcome later
        WHERE later.channel_id = guard_outcome.channel_id AND later.asked = guard_outcome.asked
            AND later.listing_id = guard_outcome.listing_id AND later.ok AND later.at > guard_outcome.at
    )
