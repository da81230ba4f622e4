-- name: reserve_group
-- Integers come as text: see core/db/arrays.py.
SELECT known, verdicts, remaining
FROM reserve_group(
    $1::smallint[], $2::timestamptz,
    $3::smallint[], $4::int[], $5::text[], $6::text[], $7::text[], $8::text[], $9::timestamptz[],
    $10::text::bigint[], $11::text::int[], $12::text[], $13::bytea[], $14::text[],
    $15::timestamptz[], $16::timestamptz[], $17::timestamptz[],
    $18::text::int[], $19::text::smallint[], $20::text[], $21::text::int[], $22::text::smallint[], $23::text::int[],
    $24::text::int[], $25::text::int[], $26::text::bigint[],
    $27::text::smallint[], $28::text::int[], $29::text::int[], $30::text::int[],
    $31::text::int[], $32::text::int[], $33::text::smallint[]
)

-- name: find_known
-- The orders already taken in under these references, in the order asked.
SELECT asked.n::int AS n, known.order_id, known.request_hash, known.state
FROM unnest($1::int[], $2::text[]) WITH ORDINALITY asked(channel_id, order_ref, n)
JOIN order_now known ON known.channel_id = asked.channel_id AND known.order_ref = asked.order_ref

-- name: lock_lanes
SELECT lock_lanes($1::smallint[])

-- name: allocate_lines
SELECT line, verdict, remaining
FROM allocate_lines(
    $1::int[], $2::bigint[], $3::smallint[], $4::smallint[], $5::int[], $6::int[], $7::int[], $8::timestamptz[]
)

-- name: give_back
SELECT give_back($1::smallint[], $2::bigint[], $3::timestamptz, $4::text, $5::text)

-- name: quarantine_order
-- Takes out of circulation every code an order still has: they may have been seen.
INSERT INTO departure (lane, shelf_id, slot, kind, departed_at, actor, reason)
SELECT allocation.lane, allocation.shelf_id, allocation.slot, 'quarantined', $2::timestamptz, $3::text, $4::text
FROM allocation
WHERE allocation.order_id = $1::bigint
    AND NOT EXISTS (
        SELECT FROM departure
        WHERE departure.lane = allocation.lane
            AND departure.shelf_id = allocation.shelf_id
            AND departure.slot = allocation.slot
    )

-- name: quarantine_slot
-- One code, wherever it stands; nothing is written if it left its slot before.
INSERT INTO departure (lane, shelf_id, slot, kind, departed_at, actor, reason)
SELECT code.lane, code.shelf_id, code.slot, 'quarantined', $4::timestamptz, $5::text, $6::text
FROM code
WHERE code.lane = $1::smallint AND code.shelf_id = $2::int AND code.slot = $3::bigint
ON CONFLICT ON CONSTRAINT departure_key DO NOTHING
RETURNING slot

-- name: mark_sku
INSERT INTO stock_mark (lane, sku_id) VALUES ($1::smallint, $2::int)

-- name: withdraw
-- A consignor takes unsold codes back: the last on each shelf first, so that selling goes on at the head.
WITH unsold AS (
    SELECT code.lane, code.shelf_id, code.slot
    FROM shelf
    CROSS JOIN LATERAL (
        SELECT coalesce(max(allocation.slot), 0) AS slot
        FROM allocation
        WHERE allocation.lane = shelf.lane AND allocation.shelf_id = shelf.shelf_id
    ) head
    JOIN code ON code.lane = shelf.lane AND code.shelf_id = shelf.shelf_id AND code.slot > head.slot
    WHERE shelf.lane = $1::smallint
        AND shelf.sku_id = $2::int
        AND shelf.consignor_id = $3::int
        AND ($4::bigint IS NULL OR code.batch_id = $4::bigint)
        AND NOT EXISTS (
            SELECT FROM departure
            WHERE departure.lane = code.lane
                AND departure.shelf_id = code.shelf_id
                AND departure.slot = code.slot
        )
    ORDER BY shelf.expires_at DESC, shelf.shelf_id DESC, code.slot DESC
    LIMIT $5::bigint
)
INSERT INTO departure (lane, shelf_id, slot, kind, departed_at, actor, reason)
SELECT unsold.lane, unsold.shelf_id, unsold.slot, 'withdrawn', $6::timestamptz, $7::text, $8::text
FROM unsold
RETURNING shelf_id, slot

-- name: note_replacement
INSERT INTO replacement (lane, shelf_id, slot, bad_lane, bad_shelf_id, bad_slot, replaced_at, actor, reason)
SELECT allocation.lane, allocation.shelf_id, allocation.slot, $3::smallint, $4::int, $5::bigint,
    $6::timestamptz, $7::text, $8::text
FROM allocation
WHERE allocation.order_id = $1::bigint
    AND allocation.line_no = $2::smallint
    -- Taken in this very transaction: by its place alone it cannot be told from the line's other codes.
    AND allocation.xmin = pg_current_xact_id()::xid
    AND NOT EXISTS (
        SELECT FROM replacement
        WHERE replacement.lane = allocation.lane
            AND replacement.shelf_id = allocation.shelf_id
            AND replacement.slot = allocation.slot
    )
ORDER BY allocation.shelf_id DESC, allocation.slot DESC
LIMIT 1
RETURNING lane, shelf_id, slot

-- name: codes_of_orders
-- The sealed codes that orders have now, line by line, each with what opens it.
SELECT allocation.order_id, allocation.line_no, allocation.lane, allocation.shelf_id, allocation.slot,
    origin.batch_id, origin.fingerprint, origin.sealed, batch.key_id, batch.wrapped_key, consignor.name AS consignor
FROM allocation
JOIN code ON code.lane = allocation.lane AND code.shelf_id = allocation.shelf_id AND code.slot = allocation.slot
JOIN code origin ON origin.lane = code.lane AND origin.shelf_id = code.shelf_id
    AND origin.slot = coalesce(code.origin_slot, code.slot)
JOIN batch ON batch.batch_id = origin.batch_id
JOIN consignor ON consignor.consignor_id = batch.consignor_id
WHERE allocation.order_id = ANY ($1::bigint[])
    AND NOT EXISTS (
        SELECT FROM departure
        WHERE departure.lane = allocation.lane
            AND departure.shelf_id = allocation.shelf_id
            AND departure.slot = allocation.slot
    )
ORDER BY allocation.order_id, allocation.line_no, allocation.shelf_id, allocation.slot
