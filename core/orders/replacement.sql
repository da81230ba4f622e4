-- name: find_bad_code
-- The line of the order that a code was taken for, and whether the code has left it or was replaced before.
SELECT allocation.line_no, departure.kind AS departed,
    replacement.lane AS new_lane, replacement.shelf_id AS new_shelf_id, replacement.slot AS new_slot
FROM allocation
LEFT JOIN departure ON departure.lane = allocation.lane AND departure.shelf_id = allocation.shelf_id
    AND departure.slot = allocation.slot
LEFT JOIN replacement ON replacement.bad_lane = allocation.lane AND replacement.bad_shelf_id = allocation.shelf_id
    AND replacement.bad_slot = allocation.slot
WHERE allocation.lane = $1::smallint
    AND allocation.shelf_id = $2::int
    AND allocation.slot = $3::bigint
    AND allocation.order_id = $4::bigint
