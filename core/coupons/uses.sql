-- name: find_channel
SELECT channel_id FROM channel WHERE name = $1::text

-- name: lock_basket
-- One at a time moves what belongs to a basket; taken before any row is locked.
SELECT pg_advisory_xact_lock(7722, hashtext($1::int::text || '/' || $2::text))

-- name: find_coupon
SELECT coupon_id FROM coupon WHERE fingerprint = $1::bytea

-- name: lock_coupon
-- One at a time uses a coupon.
SELECT coupon_id FROM coupon WHERE coupon_id = $1::bigint FOR NO KEY UPDATE

-- name: lock_buyer
-- One at a time counts what a buyer has used.
SELECT buyer_id FROM buyer WHERE buyer_id = $1::bigint FOR NO KEY UPDATE

-- name: read_coupon
-- A coupon keeps its own terms; how much there is for all of them is what the operator says last.
SELECT coupon.coupon_id, coupon.mask, person_of(coupon.buyer_id) AS buyer_id, coupon.expires_at, coupon_series.name, coupon_series.terms,
    coupon_revocation.coupon_id IS NOT NULL AS revoked,
    (
        SELECT (latest.terms ->> 'budget_minor')::bigint
        FROM coupon_series latest
        WHERE latest.name = coupon_series.name
        ORDER BY latest.version DESC
        LIMIT 1
    ) AS budget_minor
FROM coupon
JOIN coupon_series ON coupon_series.series_id = coupon.series_id
LEFT JOIN coupon_revocation ON coupon_revocation.coupon_id = coupon.coupon_id
WHERE coupon.coupon_id = $1::bigint

-- name: uses_of_coupon
-- What takes up a coupon's uses, and what became of the orders.
SELECT coupon_use.use_id, coupon_use.use_no, coupon_use.state, coupon_use.channel_id, coupon_use.basket_ref,
    coupon_use.hold_until, order_now.state AS order_state
FROM coupon_use
LEFT JOIN order_now ON order_now.channel_id = coupon_use.channel_id
    AND order_now.order_ref = coupon_use.basket_ref
WHERE coupon_use.coupon_id = $1::bigint AND coupon_use.state IN ('reserved', 'confirmed', 'kept')

-- name: buyer_uses
-- Under whatever name the person is known.
SELECT count(*)
FROM names_of($1::bigint) name
JOIN coupon_use ON coupon_use.buyer_id = name.buyer_id
JOIN coupon ON coupon.coupon_id = coupon_use.coupon_id
JOIN coupon_series ON coupon_series.series_id = coupon.series_id
WHERE coupon_use.state IN ('reserved', 'confirmed', 'kept')
    AND coupon_use.use_id <> $3::bigint
    AND coupon_series.name = $2::text

-- name: taken
SELECT taken_minor FROM coupon_spend WHERE series_name = $1::text AND currency = $2::text

-- name: take
-- No row: more than the budget would have been taken. $4: the budget, if there is one.
INSERT INTO coupon_spend (series_name, currency, taken_minor)
SELECT $1::text, $2::text, $3::bigint
WHERE $4::bigint IS NULL OR $3::bigint <= $4::bigint
ON CONFLICT ON CONSTRAINT coupon_spend_key DO UPDATE
SET taken_minor = coupon_spend.taken_minor + excluded.taken_minor
WHERE $4::bigint IS NULL OR coupon_spend.taken_minor + excluded.taken_minor <= $4::bigint
RETURNING taken_minor

-- name: untake
UPDATE coupon_spend SET taken_minor = taken_minor - $3::bigint
WHERE series_name = $1::text AND currency = $2::text

-- name: tags_of_skus
SELECT sku_ref, tags FROM sku WHERE sku_ref = ANY ($1::text[])

-- name: use_of_basket
-- The one that counts; else the last that was released.
SELECT coupon_use.use_id, coupon_use.coupon_id, coupon_use.use_no, coupon_use.channel_id, coupon_use.basket_ref,
    coupon_use.request_hash, coupon_use.currency, coupon_use.discount_minor, coupon_use.line_discounts_minor,
    coupon_use.state, coupon_use.hold_until, coupon_use.returned_minor, coupon_use.order_id,
    coupon.mask, coupon_series.name, coupon_series.terms
FROM coupon_use
JOIN coupon ON coupon.coupon_id = coupon_use.coupon_id
JOIN coupon_series ON coupon_series.series_id = coupon.series_id
WHERE coupon_use.channel_id = $1::int AND coupon_use.basket_ref = $2::text
ORDER BY coupon_use.state = 'released', coupon_use.use_id DESC
LIMIT 1

-- name: add_use
INSERT INTO coupon_use (coupon_id, use_no, channel_id, basket_ref, request_hash, buyer_id, currency, good_for_minor,
    discount_minor, line_discounts_minor, state, reserved_at, hold_until)
VALUES ($1::bigint, $2::smallint, $3::int, $4::text, $5::bytea, $6::bigint, $7::text, $8::bigint, $9::bigint,
    $10::bigint[], 'reserved', $11::timestamptz, $12::timestamptz)
RETURNING use_id

-- name: confirm_use
UPDATE coupon_use
SET state = 'confirmed', use_no = $2::smallint, confirmed_at = $3::timestamptz, order_id = (
    SELECT channel_order.order_id
    FROM channel_order
    WHERE channel_order.channel_id = coupon_use.channel_id AND channel_order.order_ref = coupon_use.basket_ref
)
WHERE use_id = $1::bigint

-- name: release_use
UPDATE coupon_use SET state = 'released' WHERE use_id = $1::bigint

-- name: return_use
UPDATE coupon_use SET state = $2::text, returned_minor = returned_minor + $3::bigint WHERE use_id = $1::bigint

-- name: refund_of_use
SELECT amount_minor FROM coupon_step WHERE use_id = $1::bigint AND refund_ref = $2::text

-- name: add_step
INSERT INTO coupon_step (use_id, state, at, actor, reason, amount_minor, refund_ref, transaction_id)
VALUES ($1::bigint, $2::text, $3::timestamptz, $4::text, $5::text, $6::bigint, $7::text, $8::bigint)

-- name: revoke
INSERT INTO coupon_revocation (coupon_id, revoked_at, actor, reason)
VALUES ($1::bigint, $2::timestamptz, $3::text, $4::text)
ON CONFLICT ON CONSTRAINT coupon_revocation_key DO NOTHING
RETURNING coupon_id
