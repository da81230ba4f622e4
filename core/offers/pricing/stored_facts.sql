-- name: listing_places
-- Currency and channel of some listings.
SELECT listing.listing_id, listing.channel_id, channel.currency
FROM listing
JOIN channel ON channel.channel_id = listing.channel_id
WHERE listing.listing_id = ANY ($1::int[])

-- name: changes_since
-- What each listing was told since a moment, the oldest first. A first price is no change.
SELECT listing_id, changed_at AS at, was_minor AS before_minor, price_minor AS after_minor
FROM price_change
WHERE listing_id = ANY ($1::int[]) AND changed_at > $2::timestamptz AND was_minor IS NOT NULL
ORDER BY listing_id, changed_at, change_id

-- name: current_sightings
-- The sightings that still hold, in the marketplace's order. A look that saw the same again says so: as old as
-- the last look, not as the first that saw it.
SELECT sighting.listing_id, sighting.seller, sighting.price_minor, sighting.currency, sighting.quantity,
    sighting.own, competitor_look.looked_at AS seen_at
FROM competitor_look
JOIN sighting ON sighting.listing_id = competitor_look.listing_id AND sighting.seen_at = competitor_look.seen_at
WHERE competitor_look.listing_id = ANY ($1::int[])
ORDER BY sighting.listing_id, sighting.position

-- name: free_changes_told
-- What a channel said itself of its free changes.
SELECT listing_id, free_changes_left AS left_over, next_free_change_at AS next_at, free_changes_seen_at AS seen_at
FROM offer
WHERE listing_id = ANY ($1::int[]) AND free_changes_seen_at IS NOT NULL

-- name: exceptions_in_force
SELECT listing_id, least_minor, currency, signed_by, reason AS why, from_at, until_at AS until
FROM price_exception
WHERE listing_id = ANY ($1::int[])
    AND revoked_at IS NULL
    AND from_at <= $2::timestamptz
    AND until_at > $2::timestamptz
ORDER BY listing_id, exception_id

-- name: last_verdicts
-- What a person said last; what was superseded nobody decided.
SELECT DISTINCT ON (listing_id) listing_id, price_minor, currency, verdict = 'approved' AS approved, decided_by,
    decided_at
FROM price_hold
WHERE listing_id = ANY ($1::int[]) AND verdict IN ('approved', 'refused') AND decided_at > $2::timestamptz
ORDER BY listing_id, decided_at DESC, hold_id DESC

-- name: nearest_quotes
-- Of the fresh answers of the channel's calculator the one that was given last.
SELECT DISTINCT ON (listing_id) listing_id, gross_minor, net_minor, quoted_at
FROM fee_quote
WHERE listing_id = ANY ($1::int[]) AND quoted_at > $2::timestamptz
ORDER BY listing_id, quoted_at DESC

-- name: sold_in_windows
-- Units that each listing sold in each of some flash sales, and that stay sold.
SELECT asked.listing_id, asked.name, sold.pieces AS units
FROM unnest($1::int[], $2::text[], $3::timestamptz[]) asked(listing_id, name, from_at)
CROSS JOIN LATERAL flash_sold(asked.listing_id, asked.name, asked.from_at, $4::timestamptz) sold
