-- name: codes_per_consignor
-- How many codes of each line are whose, for the split; codes that left the order do not count.
SELECT allocation.order_id, allocation.line_no, consignor.name, count(*)::int AS codes
FROM allocation
JOIN shelf ON shelf.lane = allocation.lane AND shelf.shelf_id = allocation.shelf_id
JOIN consignor ON consignor.consignor_id = shelf.consignor_id
WHERE allocation.order_id = ANY ($1::bigint[])
    AND NOT EXISTS (
        SELECT FROM departure
        WHERE departure.lane = allocation.lane
            AND departure.shelf_id = allocation.shelf_id
            AND departure.slot = allocation.slot
    )
GROUP BY allocation.order_id, allocation.line_no, consignor.name
ORDER BY allocation.order_id, allocation.line_no, consignor.name
