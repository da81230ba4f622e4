-- name: differing
-- Settled offers that were seen, after they were last told, to show something else; or that were seen before and
-- are not there any more, where the whole list was read ($4). What the difference is, is not judged here.
SELECT offer.listing_id, listing.listing_ref,
    offer.published_quantity, offer.published_on, offer.before_quantity, offer.before_on,
    CASE WHEN $3::boolean THEN offer.published_net_minor ELSE offer.published_price_minor END AS published_minor,
    CASE WHEN $3::boolean THEN offer.before_net_minor ELSE offer.before_price_minor END AS before_minor,
    CASE WHEN $3::boolean THEN offer.observed_net_minor ELSE offer.observed_price_minor END AS observed_minor,
    offer.observed_quantity, offer.observed_on, offer.observed_price_minor, offer.observed_net_minor,
    coalesce(offer.observed_held, 0) AS held, offer.observed_at < $2::timestamptz AS vanished,
    coalesce(sold.quantity, 0)::int AS sold
FROM offer
JOIN listing ON listing.listing_id = offer.listing_id
CROSS JOIN LATERAL (
    SELECT sum(order_line.quantity) AS quantity
    FROM open_order
    JOIN channel_order ON channel_order.order_id = open_order.order_id
    JOIN order_line ON order_line.order_id = open_order.order_id
    WHERE open_order.channel_id = $1::int
        AND order_line.listing_id = offer.listing_id
        AND channel_order.created_at > offer.published_at
) sold
WHERE listing.channel_id = $1::int
    AND offer.dirty_version = offer.acked_version
    AND offer.refusal IS NULL
    AND offer.published_at < $2::timestamptz
    AND (
        (
            offer.observed_at = $2::timestamptz
            AND (
                offer.observed_on <> offer.published_on
                OR offer.observed_on AND offer.observed_quantity <> offer.published_quantity
                OR offer.observed_on AND CASE
                    WHEN $3::boolean THEN offer.observed_net_minor <> offer.published_net_minor
                    ELSE offer.observed_price_minor <> offer.published_price_minor
                END
            )
        )
        OR ($4::boolean AND offer.published_on AND offer.observed_at < $2::timestamptz)
    )
ORDER BY offer.listing_id
LIMIT $5::int
FOR UPDATE OF offer

-- name: lately
-- How often each thing was put right since a moment, or since a person last decided about it.
SELECT repaired.listing_id, repaired.what, count(*)::int AS repairs, max(repaired.seen_at) AS last_at
FROM drift repaired
WHERE repaired.listing_id = ANY ($1::int[])
    AND repaired.action = 'repair'
    AND NOT repaired.asks
    AND repaired.seen_at > $2::timestamptz
    AND NOT EXISTS (
        SELECT FROM drift decided
        WHERE decided.listing_id = repaired.listing_id
            AND decided.what = repaired.what
            AND decided.decided_at >= repaired.seen_at
    )
GROUP BY repaired.listing_id, repaired.what

-- name: take_as_shown
-- What was seen is what it shows; where it has to be told again it is dirty.
UPDATE offer
SET published_quantity = CASE WHEN seen.quantity THEN offer.observed_quantity ELSE offer.published_quantity END,
    published_on = CASE WHEN seen.quantity THEN offer.observed_on ELSE offer.published_on END,
    published_price_minor =
        CASE WHEN seen.price THEN offer.observed_price_minor ELSE offer.published_price_minor END,
    published_net_minor = CASE WHEN seen.price THEN offer.observed_net_minor ELSE offer.published_net_minor END,
    dirty_version = offer.dirty_version + CASE WHEN seen.tells THEN 1 ELSE 0 END,
    acked_version = CASE WHEN seen.tells THEN offer.acked_version ELSE offer.dirty_version END,
    dirty_since = CASE WHEN seen.tells THEN $6::timestamptz ELSE offer.dirty_since END,
    counted_there = offer.counted_there OR seen.vanished,
    drifts = offer.drifts + CASE WHEN seen.tells THEN 1 ELSE 0 END
FROM unnest($1::int[], $2::boolean[], $3::boolean[], $4::boolean[], $5::boolean[])
    seen(listing_id, quantity, price, tells, vanished)
WHERE offer.listing_id = seen.listing_id

-- name: note_drifts
INSERT INTO drift (channel_id, listing_ref, listing_id, what, kind, action, asks, why, published, observed,
    seen_at, last_seen_at)
SELECT $1::int, found.listing_ref, found.listing_id, found.what, found.kind, found.action, false, found.why,
    found.published, found.observed, $10::timestamptz, $10::timestamptz
FROM unnest($2::text[], $3::int[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])
    found(listing_ref, listing_id, what, kind, action, why, published, observed)

-- name: ask
-- A question is asked once, however often the thing is seen until it is decided.
INSERT INTO drift (channel_id, listing_ref, listing_id, what, kind, action, asks, why, published, observed,
    seen_at, last_seen_at)
SELECT $1::int, found.listing_ref, found.listing_id, found.what, found.kind, found.action, true, found.why,
    found.published, found.observed, $10::timestamptz, $10::timestamptz
FROM unnest($2::text[], $3::int[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])
    found(listing_ref, listing_id, what, kind, action, why, published, observed)
ON CONFLICT (channel_id, listing_ref, what) WHERE asks AND decision IS NULL
DO UPDATE SET times = drift.times + 1,
    last_seen_at = excluded.last_seen_at,
    kind = excluded.kind,
    why = excluded.why,
    published = excluded.published,
    observed = excluded.observed

-- name: unknown_listings
-- What a channel shows that is linked to nothing, and was not told of before.
SELECT seen.listing_ref
FROM unnest($2::text[]) seen(listing_ref)
WHERE NOT EXISTS (
        SELECT FROM listing WHERE listing.channel_id = $1::int AND listing.listing_ref = seen.listing_ref
    )
    AND NOT EXISTS (
        SELECT FROM drift
        WHERE drift.channel_id = $1::int AND drift.listing_ref = seen.listing_ref AND drift.what = 'listing'
            AND drift.kind = 'unknown listing'
    )
LIMIT $3::int

-- name: adopt
INSERT INTO adoption (listing_id, what, amount, net_minor, actor, reason, adopted_at)
SELECT offer.listing_id, wish.what,
    CASE wish.what
        WHEN 'price' THEN offer.observed_price_minor
        WHEN 'quantity' THEN offer.observed_quantity
        ELSE 0
    END,
    CASE WHEN wish.what = 'price' THEN offer.observed_net_minor END,
    $3::text, $4::text, $5::timestamptz
FROM unnest($1::int[], $2::text[]) wish(listing_id, what)
JOIN offer ON offer.listing_id = wish.listing_id
ON CONFLICT ON CONSTRAINT adoption_key
DO UPDATE SET amount = excluded.amount, net_minor = excluded.net_minor, actor = excluded.actor,
    reason = excluded.reason, adopted_at = excluded.adopted_at

-- name: clear_adoption
DELETE FROM adoption
WHERE listing_id = $1::int AND ($2::text IS NULL OR what = $2::text)
RETURNING what

-- name: adoptions
SELECT listing_id, what, amount, net_minor, actor, reason, adopted_at FROM adoption
WHERE listing_id = ANY ($1::int[])

-- name: find_question
SELECT drift.drift_id, drift.channel_id, channel.name AS channel, drift.listing_ref, drift.listing_id, drift.what,
    drift.kind, drift.action
FROM drift
JOIN channel ON channel.channel_id = drift.channel_id
WHERE drift.drift_id = $1::bigint AND drift.asks AND drift.decision IS NULL
FOR UPDATE OF drift

-- name: decide
UPDATE drift
SET decision = $2::text, decided_at = $3::timestamptz, decided_by = $4::text, decided_why = $5::text
WHERE drift_id = $1::bigint

-- name: find_listing
SELECT listing.listing_id
FROM listing
JOIN channel ON channel.channel_id = listing.channel_id
WHERE channel.name = $1::text AND listing.listing_ref = $2::text

-- name: drop_old_drifts
DELETE FROM drift WHERE NOT (asks AND decision IS NULL) AND kind <> 'unknown listing' AND last_seen_at < $1::timestamptz
