-- name: find_listings
SELECT listing.listing_ref, listing.listing_id, listing.sku_id, sku.lane
FROM listing
JOIN sku ON sku.sku_id = listing.sku_id
WHERE listing.channel_id = $1::int AND listing.listing_ref = ANY ($2::text[])

-- name: find_sku
SELECT sku_id, lane, sku_ref, title FROM sku WHERE sku_ref = $1::text

-- name: add_sku
INSERT INTO sku (lane, sku_ref, title, brand, kind, region, face_value_minor, face_currency, tags)
VALUES ($1::smallint, $2::text, $3::text, $4::text, $5::text, $6::text, $7::bigint, $8::text, $9::text[])
ON CONFLICT ON CONSTRAINT sku_ref_once DO NOTHING

-- name: tag_sku
UPDATE sku
SET tags = ARRAY(
    SELECT DISTINCT tag
    FROM unnest(sku.tags || $2::text[]) given(tag)
    WHERE tag <> ALL ($3::text[])
    ORDER BY tag
    -- One more than there may be: who called says so, and the transaction ends.
    LIMIT 65
)
WHERE sku_id = $1::int
RETURNING tags

-- name: set_base_price
INSERT INTO sku_price (sku_id, currency, base_price_minor)
VALUES ($1::int, $2::text, $3::bigint)
ON CONFLICT ON CONSTRAINT sku_price_key DO UPDATE SET base_price_minor = excluded.base_price_minor

-- name: find_consignor
SELECT consignor_id, name, priority FROM consignor WHERE name = $1::text

-- name: add_consignor
INSERT INTO consignor (name, priority) VALUES ($1::text, $2::int)
ON CONFLICT ON CONSTRAINT consignor_name_once DO NOTHING

-- name: add_channel
INSERT INTO channel (name, connector, currency)
VALUES ($1::text, $2::text, $3::text)
ON CONFLICT ON CONSTRAINT channel_name_once DO UPDATE SET connector = excluded.connector
RETURNING channel_id, currency

-- name: channel_states
SELECT channel_id, name, connector, currency, paused_at, paused_reason FROM channel ORDER BY name

-- name: pause_channel
UPDATE channel SET paused_at = $2::timestamptz, paused_reason = $3::text WHERE name = $1::text RETURNING channel_id

-- name: skus_of_channel
SELECT DISTINCT sku.sku_id, sku.lane
FROM listing
JOIN sku ON sku.sku_id = listing.sku_id
WHERE listing.channel_id = $1::int
ORDER BY sku.lane, sku.sku_id

-- name: link_listing
INSERT INTO listing (channel_id, listing_ref, sku_id)
VALUES ($1::int, $2::text, $3::int)
ON CONFLICT ON CONSTRAINT listing_ref_once DO UPDATE SET sku_id = excluded.sku_id
RETURNING listing_id

-- name: add_offer
INSERT INTO offer (listing_id) VALUES ($1::int)
ON CONFLICT ON CONSTRAINT offer_key
DO UPDATE SET dirty_version = offer.dirty_version + 1, dirty_since = now()

-- name: listings_of_sku
SELECT listing_ref FROM listing WHERE channel_id = $1::int AND sku_id = $2::int ORDER BY listing_ref
