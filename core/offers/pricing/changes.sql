-- name: note_price_changes
-- A price that was told and not yet acknowledged when it is told again is the same change.
INSERT INTO price_change (listing_id, was_minor, price_minor, net_minor, changed_at)
SELECT told.listing_id, offer.published_price_minor, told.price_minor, told.net_minor, $4::timestamptz
FROM unnest($1::int[], $2::bigint[], $3::bigint[]) told(listing_id, price_minor, net_minor)
JOIN offer ON offer.listing_id = told.listing_id
LEFT JOIN LATERAL (
    SELECT price_change.price_minor, price_change.changed_at
    FROM price_change
    WHERE price_change.listing_id = told.listing_id
    ORDER BY price_change.changed_at DESC, price_change.change_id DESC
    LIMIT 1
) latest ON true
WHERE offer.published_price_minor IS DISTINCT FROM told.price_minor
    AND NOT coalesce(
        latest.price_minor = told.price_minor
        AND latest.changed_at >= coalesce(offer.published_at, '-infinity'),
        false
    )

-- name: note_free_changes
-- What a channel says itself of its free changes, where it says so.
UPDATE offer
SET free_changes_left = told.left_over,
    next_free_change_at = $3::timestamptz + told.next_seconds * interval '1 second',
    free_changes_seen_at = $3::timestamptz
FROM unnest($2::text[], $4::int[], $5::int[]) told(listing_ref, left_over, next_seconds)
JOIN listing ON listing.listing_ref = told.listing_ref AND listing.channel_id = $1::int
WHERE offer.listing_id = listing.listing_id

-- name: keep_fee_quotes
INSERT INTO fee_quote (listing_id, gross_minor, net_minor, quoted_at)
SELECT quoted.listing_id, quoted.gross_minor, quoted.net_minor, $4::timestamptz
FROM unnest($1::int[], $2::bigint[], $3::bigint[]) quoted(listing_id, gross_minor, net_minor)
ON CONFLICT ON CONSTRAINT fee_quote_key
DO UPDATE SET net_minor = excluded.net_minor, quoted_at = excluded.quoted_at

-- name: due_quotes
-- Listings that show a price of which the channel's calculator was not asked for a while.
SELECT listing.listing_id, listing.listing_ref, coalesce(offer.published_price_minor, offer.wanted_price_minor)
    AS gross_minor
FROM listing
JOIN offer ON offer.listing_id = listing.listing_id
LEFT JOIN LATERAL (
    SELECT max(fee_quote.quoted_at) AS quoted_at FROM fee_quote WHERE fee_quote.listing_id = listing.listing_id
) last ON true
WHERE listing.channel_id = $1::int
    AND listing.enabled
    AND coalesce(offer.published_price_minor, offer.wanted_price_minor) > 0
    AND coalesce(last.quoted_at, '-infinity') < $2::timestamptz
    AND listing.listing_id <> ALL ($4::int[])
ORDER BY last.quoted_at NULLS FIRST, listing.listing_id
LIMIT $3::int

-- name: prune_fee_quotes
DELETE FROM fee_quote WHERE quoted_at < $1::timestamptz
