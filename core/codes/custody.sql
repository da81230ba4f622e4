-- name: sealed_code
-- The sealed code that stands at a place, with what opens it.
SELECT origin.slot AS origin_slot, origin.batch_id, origin.fingerprint, origin.sealed, batch.key_id,
    batch.wrapped_key
FROM code
JOIN code origin ON origin.lane = code.lane AND origin.shelf_id = code.shelf_id
    AND origin.slot = coalesce(code.origin_slot, code.slot)
JOIN batch ON batch.batch_id = origin.batch_id
WHERE code.lane = $1::smallint AND code.shelf_id = $2::int AND code.slot = $3::bigint

-- name: add_reveal
INSERT INTO audit (actor, action, subject, reason) VALUES ($1::text, 'reveal', $2::text, $3::text)

-- name: reveals
SELECT at, actor, reason FROM audit WHERE action = 'reveal' AND subject = $1::text ORDER BY audit_id

-- name: origin_of_code
-- Where a code came from: its first place, its batch, its consignor, its shelf.
SELECT coalesce(code.origin_slot, code.slot) AS origin_slot, code.batch_id, batch.source_name,
    batch.created_at AS imported_at, batch.created_by AS imported_by, sku.sku_ref, consignor.name AS consignor,
    nullif(shelf.expires_at, 'infinity') AS expires_at, shelf.unit_cost_minor, shelf.currency
FROM code
JOIN shelf ON shelf.lane = code.lane AND shelf.shelf_id = code.shelf_id
JOIN sku ON sku.sku_id = shelf.sku_id
JOIN consignor ON consignor.consignor_id = shelf.consignor_id
JOIN batch ON batch.batch_id = code.batch_id
WHERE code.lane = $1::smallint AND code.shelf_id = $2::int AND code.slot = $3::bigint

-- name: standings
-- Every place a code stood at, first to last, with what took it there and what became of it. `seen` is how far
-- the order's own moves say that its codes got: 2 to the buyer, 1 to the channel, 0 nowhere.
SELECT code.slot, allocation.order_id, allocation.line_no, channel.name AS channel, order_now.order_ref,
    order_now.state, order_now.state_since, coalesce(moves.seen, 0) AS seen,
    departure.kind, departure.departed_at, departure.actor, departure.reason,
    instead_of.bad_lane, instead_of.bad_shelf_id, instead_of.bad_slot,
    replaced_by.lane AS new_lane, replaced_by.shelf_id AS new_shelf_id, replaced_by.slot AS new_slot
FROM code
LEFT JOIN allocation ON allocation.lane = code.lane AND allocation.shelf_id = code.shelf_id
    AND allocation.slot = code.slot
LEFT JOIN order_now ON order_now.order_id = allocation.order_id
LEFT JOIN channel ON channel.channel_id = order_now.channel_id
LEFT JOIN LATERAL (
    SELECT max(CASE
        WHEN order_move.to_state = 'delivered' THEN 2
        WHEN order_move.to_state IN ('delivering', 'unsure') THEN 1
        ELSE 0
    END) AS seen
    FROM order_move
    WHERE order_move.order_id = allocation.order_id
) moves ON true
LEFT JOIN departure ON departure.lane = code.lane AND departure.shelf_id = code.shelf_id
    AND departure.slot = code.slot
LEFT JOIN replacement instead_of ON instead_of.lane = code.lane AND instead_of.shelf_id = code.shelf_id
    AND instead_of.slot = code.slot
LEFT JOIN replacement replaced_by ON replaced_by.bad_lane = code.lane AND replaced_by.bad_shelf_id = code.shelf_id
    AND replaced_by.bad_slot = code.slot
WHERE code.lane = $1::smallint
    AND code.shelf_id = $2::int
    AND (code.slot = $3::bigint OR (code.slot > $3::bigint AND code.origin_slot = $3::bigint))
ORDER BY code.slot
