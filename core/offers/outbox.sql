-- name: alone_with_marks
-- One at a time reads the marks of a channel: whoever waited reads from where the other ended, so that no mark
-- makes an offer dirty twice and no cursor goes back.
SELECT pg_advisory_xact_lock(7705, $1::int)

-- name: lock_listings
-- Offers locked in key order, before a statement that changes them in an order of its own: two that change the
-- same ones then wait for each other instead of for ever.
SELECT offer.listing_id FROM offer WHERE offer.listing_id = ANY ($1::int[]) ORDER BY offer.listing_id FOR UPDATE

-- name: lock_skus_of_channel
SELECT offer.listing_id
FROM offer
JOIN listing ON listing.listing_id = offer.listing_id
WHERE listing.channel_id = $1::int AND ($2::int[] IS NULL OR listing.sku_id = ANY ($2::int[]))
ORDER BY offer.listing_id
FOR UPDATE OF offer

-- name: lock_refs_of_channel
SELECT offer.listing_id
FROM offer
JOIN listing ON listing.listing_id = offer.listing_id
WHERE listing.channel_id = $1::int AND listing.listing_ref = ANY ($2::text[])
ORDER BY offer.listing_id
FOR UPDATE OF offer

-- name: lock_doubts
SELECT offer.listing_id
FROM offer
JOIN listing ON listing.listing_id = offer.listing_id
WHERE listing.channel_id = $1::int AND offer.doubt_quantity IS NOT NULL
ORDER BY offer.listing_id
FOR UPDATE OF offer

-- name: read_marks
-- Marks that a channel has not looked at yet. Ids rise in commit order within a lane, so a cursor loses none.
SELECT lanes.lane, fresh.mark_id, fresh.sku_id, fresh.listing_id, fresh.marked_at
FROM (SELECT DISTINCT lane FROM sku) lanes
LEFT JOIN channel_cursor ON channel_cursor.channel_id = $1::int
    AND channel_cursor.subject = 'marks.' || lanes.lane
CROSS JOIN LATERAL (
    SELECT stock_mark.mark_id, stock_mark.sku_id, stock_mark.listing_id, stock_mark.marked_at
    FROM stock_mark
    WHERE stock_mark.lane = lanes.lane
        AND stock_mark.mark_id > coalesce(channel_cursor.position::bigint, 0)
    ORDER BY stock_mark.mark_id
    LIMIT $2::int
) fresh

-- name: dirty_skus
-- For each SKU the oldest sale, its listing, and the oldest one on another listing: the lag that is measured
-- begins with the oldest sale elsewhere. Arrays that are left empty are filled up with NULL.
UPDATE offer
SET dirty_version = offer.dirty_version + 1,
    dirty_since = CASE
        WHEN offer.dirty_version > offer.acked_version THEN offer.dirty_since
        ELSE $3::timestamptz
    END,
    counted_there = offer.counted_there OR offer.listing_id = ANY ($4::int[]),
    sale_at = least(offer.sale_at, CASE
        WHEN marked.sold_on = offer.listing_id THEN marked.sold_elsewhere_at
        ELSE marked.sold_at
    END)
FROM unnest($2::int[], $5::timestamptz[], $6::int[], $7::timestamptz[])
    marked(sku_id, sold_at, sold_on, sold_elsewhere_at)
JOIN listing ON listing.sku_id = marked.sku_id AND listing.channel_id = $1::int
WHERE listing.listing_id = offer.listing_id

-- name: expired_skus
-- SKUs on a channel of which codes became too old for it in a span of time.
SELECT DISTINCT listing.sku_id
FROM listing
JOIN sku ON sku.sku_id = listing.sku_id
JOIN shelf ON shelf.lane = sku.lane AND shelf.sku_id = sku.sku_id
WHERE listing.channel_id = $1::int AND shelf.expires_at > $2::timestamptz AND shelf.expires_at <= $3::timestamptz

-- name: recount_listings
-- The channel has changed these by itself.
UPDATE offer
SET dirty_version = offer.dirty_version + 1, dirty_since = $2::timestamptz, counted_there = true
WHERE offer.listing_id = ANY ($1::int[])

-- name: dirty_channel
-- Everything on a channel is looked at again, for changed terms.
UPDATE offer
SET dirty_version = offer.dirty_version + 1, dirty_since = $2::timestamptz, retry_at = '-infinity'
FROM listing
WHERE listing.listing_id = offer.listing_id AND listing.channel_id = $1::int

-- name: dirty_listings
SELECT listing.listing_id, listing.sku_id
FROM offer
JOIN listing ON listing.listing_id = offer.listing_id
WHERE listing.channel_id = $1::int
    AND offer.dirty_version > offer.acked_version
    AND offer.retry_at <= $2::timestamptz
ORDER BY offer.urgent DESC, offer.dirty_since, listing.listing_id
LIMIT $3::int

-- name: lock_offers
-- All offers of some SKUs, on every channel, locked in key order: who raises a promise must see the others'.
SELECT offer.listing_id, listing.channel_id, listing.listing_ref, listing.sku_id, listing.enabled,
    offer.dirty_version, offer.dirty_since, offer.telling_quantity, offer.doubt_quantity,
    offer.published_quantity, offer.published_price_minor, offer.published_net_minor, offer.published_on,
    offer.observed_quantity, offer.counted_there
FROM offer
JOIN listing ON listing.listing_id = offer.listing_id
WHERE listing.sku_id = ANY ($1::int[])
ORDER BY offer.listing_id
FOR UPDATE OF offer

-- name: look_at_offers
-- The same without a lock, for those who only want to know.
SELECT offer.listing_id, listing.channel_id, listing.listing_ref, listing.sku_id, listing.enabled,
    offer.dirty_version, offer.dirty_since, offer.telling_quantity, offer.doubt_quantity,
    offer.published_quantity, offer.published_price_minor, offer.published_net_minor, offer.published_on,
    offer.observed_quantity, offer.counted_there
FROM offer
JOIN listing ON listing.listing_id = offer.listing_id
WHERE listing.sku_id = ANY ($1::int[])
ORDER BY offer.listing_id

-- name: write_wanted
UPDATE offer
SET wanted_quantity = wanted.quantity,
    wanted_price_minor = wanted.price_minor,
    wanted_net_minor = wanted.net_minor,
    wanted_on = wanted.is_on,
    wanted_at = $8::timestamptz,
    why = wanted.why,
    -- A telling that still stands here was never answered: its daemon died.
    doubt_quantity = greatest(offer.doubt_quantity, offer.telling_quantity),
    telling_quantity = wanted.telling,
    told_sale_at = CASE
        WHEN wanted.telling IS NULL THEN offer.told_sale_at
        ELSE least(offer.told_sale_at, offer.sale_at)
    END,
    sale_at = CASE WHEN wanted.telling IS NULL THEN offer.sale_at END,
    told_at = CASE WHEN wanted.telling IS NULL THEN offer.told_at ELSE $8::timestamptz END
FROM unnest($1::int[], $2::int[], $3::bigint[], $4::bigint[], $5::boolean[], $6::jsonb[], $7::int[])
    wanted(listing_id, quantity, price_minor, net_minor, is_on, why, telling)
WHERE offer.listing_id = wanted.listing_id

-- name: note_promises
INSERT INTO promise (listing_id, quantity, price_minor, before_quantity, promised_total, available,
    bound_permille, promised_at)
SELECT told.listing_id, told.quantity, told.price_minor, told.before_quantity, told.promised_total, told.available,
    told.bound_permille, $8::timestamptz
FROM unnest($1::int[], $2::int[], $3::bigint[], $4::int[], $5::int[], $6::int[], $7::int[])
    told(listing_id, quantity, price_minor, before_quantity, promised_total, available, bound_permille)

-- name: settle_published
-- The channel acknowledged: this is what it shows. The mark is cleared only for the version it was told. Where it
-- shows less from now on because of a sale elsewhere, the time since that sale is a lag measured: by the database's
-- clock, which also wrote when the sale was.
WITH told AS MATERIALIZED (
    SELECT told.*, listing.channel_id,
        CASE WHEN told.lowers AND offer.told_sale_at IS NOT NULL
            THEN greatest(extract(epoch FROM clock_timestamp() - offer.told_sale_at)::float8, 0.001)
        END AS lag_seconds
    FROM unnest($1::int[], $2::bigint[], $3::int[], $4::bigint[], $5::bigint[], $6::boolean[], $7::boolean[],
            $11::boolean[])
        told(listing_id, version, quantity, price_minor, net_minor, is_on, final, lowers)
    JOIN listing ON listing.listing_id = told.listing_id
    JOIN offer ON offer.listing_id = told.listing_id
),
settled AS (
    UPDATE offer
    SET published_quantity = told.quantity,
        published_price_minor = told.price_minor,
        published_net_minor = told.net_minor,
        published_on = told.is_on,
        published_at = $8::timestamptz,
        telling_quantity = NULL,
        doubt_quantity = NULL,
        told_sale_at = NULL,
        acked_version = CASE WHEN told.final THEN told.version ELSE offer.acked_version END,
        retry_at = CASE WHEN told.final THEN $10::timestamptz ELSE $9::timestamptz END,
        counted_there = offer.counted_there AND offer.dirty_version > told.version,
    urgent = offer.urgent AND offer.dirty_version > told.version,
        failures = 0,
        refusal = NULL
    FROM told
    WHERE offer.listing_id = told.listing_id
),
measured AS (
    INSERT INTO publish_lag (channel_id, hour, bucket, samples, longest_seconds)
    SELECT channel_id, date_trunc('hour', clock_timestamp(), 'UTC'),
        least(greatest(ceil(4 * ln(lag_seconds / 0.001) / ln(2::float8)), 0), 120)::smallint AS bucket,
        count(*), max(lag_seconds)
    FROM told
    WHERE lag_seconds IS NOT NULL
    GROUP BY 1, 2, 3
    ORDER BY 1, 2, 3
    ON CONFLICT ON CONSTRAINT publish_lag_key
    DO UPDATE SET samples = publish_lag.samples + excluded.samples,
        longest_seconds = greatest(publish_lag.longest_seconds, excluded.longest_seconds)
)
SELECT lag_seconds FROM told WHERE lag_seconds IS NOT NULL

-- name: settle_unchanged
-- Nothing had to be told.
UPDATE offer
SET acked_version = CASE WHEN same.final THEN same.version ELSE offer.acked_version END,
    urgent = offer.urgent AND offer.dirty_version > same.version,
    retry_at = CASE WHEN same.final THEN '-infinity' ELSE $4::timestamptz END,
    sale_at = CASE WHEN same.final THEN NULL ELSE offer.sale_at END
FROM unnest($1::int[], $2::bigint[], $3::boolean[]) same(listing_id, version, final)
WHERE offer.listing_id = same.listing_id

-- name: settle_refused
-- The channel said no for good: it shows what it showed, which an earlier telling may have left in doubt.
-- Looked at again when something changes.
UPDATE offer
SET acked_version = refused.version,
    urgent = offer.urgent AND offer.dirty_version > refused.version,
    telling_quantity = NULL,
    told_sale_at = NULL,
    failures = offer.failures + 1,
    refusal = refused.detail
FROM unnest($1::int[], $2::bigint[], $3::text[]) refused(listing_id, version, detail)
WHERE offer.listing_id = refused.listing_id

-- name: settle_later
-- Not done, or nobody knows: it may show either value until it is told again.
UPDATE offer
SET retry_at = $2::timestamptz + later.after_seconds * interval '1 second',
    doubt_quantity = CASE
        WHEN later.unknown THEN greatest(offer.doubt_quantity, offer.telling_quantity)
        ELSE offer.doubt_quantity
    END,
    telling_quantity = NULL,
    failures = offer.failures + 1
FROM unnest($1::int[], $3::float8[], $4::boolean[]) later(listing_id, after_seconds, unknown)
WHERE offer.listing_id = later.listing_id

-- name: write_observed
UPDATE offer
SET observed_quantity = seen.quantity,
    observed_price_minor = seen.price_minor,
    observed_net_minor = seen.net_minor,
    observed_on = seen.is_on,
    observed_held = seen.held,
    observed_at = $7::timestamptz
FROM unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[], $6::boolean[], $8::int[])
    seen(listing_ref, quantity, price_minor, net_minor, is_on, held)
JOIN listing ON listing.listing_ref = seen.listing_ref AND listing.channel_id = $1::int
WHERE offer.listing_id = listing.listing_id

-- name: settle_doubts
-- What was seen after the last telling ends every doubt about it.
UPDATE offer
SET published_quantity = offer.observed_quantity,
    published_price_minor = offer.observed_price_minor,
    published_net_minor = offer.observed_net_minor,
    published_on = offer.observed_on,
    doubt_quantity = NULL,
    dirty_version = offer.dirty_version + 1,
    dirty_since = $2::timestamptz
FROM listing
WHERE listing.listing_id = offer.listing_id
    AND listing.channel_id = $1::int
    AND offer.doubt_quantity IS NOT NULL
    AND offer.telling_quantity IS NULL
    AND offer.observed_at = $2::timestamptz
    AND offer.told_at < $2::timestamptz

-- name: tell_again
-- A person has decided something about these.
UPDATE offer
SET dirty_version = offer.dirty_version + 1, dirty_since = $2::timestamptz, retry_at = '-infinity', refusal = NULL,
    counted_there = true
WHERE offer.listing_id = ANY ($1::int[])

-- name: drop_read_marks
-- Marks that every channel has read. Rows behind all cursors are never looked at, so their remains cost nothing.
DELETE FROM stock_mark
WHERE stock_mark.mark_id <= (
    SELECT min(channel_cursor.position::bigint)
    FROM channel
    JOIN channel_cursor ON channel_cursor.channel_id = channel.channel_id
    WHERE channel_cursor.subject = 'marks.' || stock_mark.lane
)
AND stock_mark.marked_at < now() - interval '1 hour'
