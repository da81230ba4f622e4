-- name: wallet_lots
-- Lots of a person's names, money ($2) or points of a programme ($2), newest first; those that are used up only if asked for ($3).
SELECT lot.lot_id, buyer.name AS buyer, lot.programme, lot.currency, lot.units, lot.amount_minor, lot.source_kind, lot.source_ref,
    lot.credited_at, lot.vests_at, lot.expires_at, coalesce(wallet_open.units_left, 0) AS units_left,
    coalesce(wallet_open.amount_left_minor, 0) AS left_minor,
    CASE
        WHEN wallet_open.lot_id IS NULL THEN 'closed'
        WHEN wallet_open.vested THEN 'usable'
        ELSE 'pending'
    END AS state
FROM wallet_lot lot
JOIN buyer ON buyer.buyer_id = lot.buyer_id
LEFT JOIN wallet_open ON wallet_open.lot_id = lot.lot_id
WHERE lot.buyer_id IN (SELECT name.buyer_id FROM names_of(person_of($1::bigint)) name)
    AND (lot.programme = '') = ($2::text = '')
    AND ($2::text IN ('', '*') OR lot.programme = $2::text)
    AND ($3::boolean OR wallet_open.lot_id IS NOT NULL)
    AND lot.lot_id < coalesce($4::bigint, 9223372036854775807)
ORDER BY lot.lot_id DESC
LIMIT $5::int

-- name: lot_uses
-- What happened to some lots.
SELECT used.lot_id, used.kind, used.units, used.amount_minor, used.used_at, used.transaction_id, used.reason,
    spend.ref
FROM wallet_use used
LEFT JOIN wallet_spend spend ON spend.spend_id = used.spend_id
WHERE used.lot_id = ANY ($1::bigint[])
ORDER BY used.lot_id, used.use_no

-- name: points_standings
-- A person's points by programme, and what they are worth.
SELECT programme, currency,
    coalesce(sum(units_left) FILTER (WHERE vested), 0)::bigint AS usable,
    coalesce(sum(units_left) FILTER (WHERE NOT vested), 0)::bigint AS pending,
    coalesce(sum(amount_left_minor), 0)::bigint AS worth_minor
FROM wallet_open
WHERE buyer_id IN (SELECT name.buyer_id FROM names_of(person_of($1::bigint)) name) AND programme <> ''
GROUP BY programme, currency
ORDER BY programme, currency

-- name: expiring
-- What expires until a moment, soonest first.
SELECT buyer.name AS buyer, kept.lot_id, kept.programme, kept.currency, kept.units_left, kept.amount_left_minor,
    lot.expires_at
FROM wallet_open kept
JOIN wallet_lot lot ON lot.lot_id = kept.lot_id
JOIN buyer ON buyer.buyer_id = kept.buyer_id
WHERE lot.expires_at <= $1::timestamptz
ORDER BY lot.expires_at, kept.lot_id
LIMIT $2::int

-- name: liability
-- What all points that are left are worth, by programme and the month (UTC) in which they expire.
SELECT kept.programme, kept.currency, to_char(lot.expires_at AT TIME ZONE 'UTC', 'YYYY-MM') AS month,
    sum(kept.units_left)::bigint AS points, sum(kept.amount_left_minor)::bigint AS amount_minor,
    count(DISTINCT kept.buyer_id) AS buyers
FROM wallet_open kept
JOIN wallet_lot lot ON lot.lot_id = kept.lot_id
WHERE kept.programme <> '' AND ($1::text IS NULL OR kept.programme = $1::text)
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3 NULLS LAST
