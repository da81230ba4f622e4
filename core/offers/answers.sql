-- What becomes of offers that a channel was told, or was seen to show.

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
