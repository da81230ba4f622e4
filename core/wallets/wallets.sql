-- name: lock_buyers
-- Whoever changes wallets holds their buyers, locked in the order of their ids.
SELECT buyer_id
FROM buyer
WHERE buyer_id = ANY ($1::bigint[])
ORDER BY buyer_id
FOR NO KEY UPDATE

-- name: find_sources
SELECT lot.lot_id, lot.source_kind, lot.source_ref, lot.programme, lot.buyer_id, lot.currency, lot.units
FROM unnest($1::text[], $2::text[], $3::text[]) asked(source_kind, source_ref, programme)
JOIN wallet_lot lot ON lot.source_kind = asked.source_kind
    AND lot.source_ref = asked.source_ref
    AND lot.programme = asked.programme

-- name: add_lots
-- Numbered in the order in which they are told. No row: the source has credited before.
WITH added AS (
    INSERT INTO wallet_lot (buyer_id, programme, currency, units, amount_minor, source_kind, source_ref, cost_party,
        cost_name, cost_purpose, credited_at, vests_at, expires_at, transaction_id)
    SELECT told.buyer_id, told.programme, told.currency, told.units, told.amount_minor, told.source_kind,
        told.source_ref, told.cost_party, told.cost_name, told.cost_purpose, $14::timestamptz, told.vests_at,
        told.expires_at, told.transaction_id
    FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::text[],
        $9::text[], $10::text[], $11::timestamptz[], $12::timestamptz[], $13::bigint[]) WITH ORDINALITY
        told(buyer_id, programme, currency, units, amount_minor, source_kind, source_ref, cost_party, cost_name,
            cost_purpose, vests_at, expires_at, transaction_id, n)
    ORDER BY told.n
    ON CONFLICT ON CONSTRAINT wallet_lot_source_once DO NOTHING
    RETURNING *
),
opened AS (
    INSERT INTO wallet_open (lot_id, buyer_id, programme, currency, units_left, amount_left_minor, vested, due_at)
    SELECT lot_id, buyer_id, programme, currency, units, amount_minor, vests_at IS NULL,
        coalesce(vests_at, expires_at)
    FROM added
)
SELECT lot_id, source_kind, source_ref, programme FROM added

-- name: open_lots
-- What is left of the lots of a person's names. Only what was closed needs to know what it was spent on: see whole_lot.
SELECT lot.lot_id, buyer.buyer_id, buyer.name AS buyer, lot.programme, lot.currency, lot.units, lot.amount_minor,
    lot.cost_party, lot.cost_name, lot.cost_purpose, lot.vests_at, lot.expires_at, wallet_open.vested,
    wallet_open.units_left, wallet_open.amount_left_minor,
    (SELECT coalesce(max(wallet_use.use_no), 0) FROM wallet_use WHERE wallet_use.lot_id = lot.lot_id) AS uses
FROM wallet_open
JOIN wallet_lot lot ON lot.lot_id = wallet_open.lot_id
JOIN buyer ON buyer.buyer_id = wallet_open.buyer_id
WHERE wallet_open.buyer_id = ANY ($1::bigint[])
    AND wallet_open.programme = $2::text
    AND wallet_open.currency = $3::text
ORDER BY lot.lot_id

-- name: due_lots
-- What is due of some buyers' lots, in the order in which it came to be due.
SELECT lot.lot_id, buyer.buyer_id, buyer.name AS buyer, lot.programme, lot.currency, lot.units, lot.amount_minor,
    lot.cost_party, lot.cost_name, lot.cost_purpose, lot.vests_at, lot.expires_at, wallet_open.vested,
    wallet_open.units_left, wallet_open.amount_left_minor,
    (SELECT coalesce(max(wallet_use.use_no), 0) FROM wallet_use WHERE wallet_use.lot_id = lot.lot_id) AS uses
FROM wallet_open
JOIN wallet_lot lot ON lot.lot_id = wallet_open.lot_id
JOIN buyer ON buyer.buyer_id = wallet_open.buyer_id
WHERE wallet_open.buyer_id = ANY ($1::bigint[]) AND wallet_open.due_at <= $2::timestamptz
ORDER BY wallet_open.due_at, lot.lot_id

-- name: buyer_of_lot
SELECT buyer_id, programme FROM wallet_lot WHERE lot_id = $1::bigint

-- name: whole_lot
-- A lot with all that happened to it.
SELECT lot.lot_id, buyer.buyer_id, buyer.name AS buyer, lot.programme, lot.currency, lot.units, lot.amount_minor,
    lot.cost_party, lot.cost_name, lot.cost_purpose, lot.vests_at, lot.expires_at,
    coalesce(wallet_open.vested, true) AS vested,
    coalesce(wallet_open.units_left, 0) AS units_left,
    coalesce(wallet_open.amount_left_minor, 0) AS amount_left_minor,
    used.uses, used.gone_units, used.gone_minor, used.claimed_units, used.claimed_minor, used.back_units
FROM wallet_lot lot
JOIN buyer ON buyer.buyer_id = lot.buyer_id
LEFT JOIN wallet_open ON wallet_open.lot_id = lot.lot_id
CROSS JOIN LATERAL (
    SELECT coalesce(max(use_no), 0) AS uses,
        coalesce(sum(units) FILTER (WHERE kind IN ('spent', 'set_off')), 0)::bigint AS gone_units,
        coalesce(sum(amount_minor) FILTER (WHERE kind IN ('spent', 'set_off')), 0)::bigint AS gone_minor,
        coalesce(sum(units) FILTER (WHERE kind = 'claimed'), 0)::bigint AS claimed_units,
        coalesce(sum(amount_minor) FILTER (WHERE kind = 'claimed'), 0)::bigint AS claimed_minor,
        coalesce(sum(units) FILTER (WHERE kind = 'taken_back'), 0)::bigint AS back_units
    FROM wallet_use
    WHERE wallet_use.lot_id = lot.lot_id
) used
WHERE lot.lot_id = $1::bigint

-- name: owed
-- What buyers owe us in each currency.
SELECT buyer_id, currency, sum(amount_minor)::bigint AS owed_minor
FROM wallet_claim
WHERE buyer_id = ANY ($1::bigint[])
GROUP BY buyer_id, currency
HAVING sum(amount_minor) > 0

-- name: add_uses
INSERT INTO wallet_use (lot_id, use_no, kind, units, amount_minor, spend_id, transaction_id, used_at, reason)
SELECT told.lot_id, told.use_no, told.kind, told.units, told.amount_minor, told.spend_id, told.transaction_id,
    $8::timestamptz, $9::text
FROM unnest($1::bigint[], $2::int[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
    told(lot_id, use_no, kind, units, amount_minor, spend_id, transaction_id)

-- name: add_claims
-- What was claimed is owed, and what was set off no longer.
INSERT INTO wallet_claim (buyer_id, currency, amount_minor, lot_id, at)
SELECT lot.buyer_id, lot.currency, CASE told.kind WHEN 'claimed' THEN told.amount_minor ELSE -told.amount_minor END,
    told.lot_id, $4::timestamptz
FROM unnest($1::bigint[], $2::text[], $3::bigint[]) WITH ORDINALITY told(lot_id, kind, amount_minor, n)
JOIN wallet_lot lot ON lot.lot_id = told.lot_id
WHERE told.kind IN ('claimed', 'set_off') AND told.amount_minor > 0
ORDER BY told.n

-- name: set_open
UPDATE wallet_open
SET units_left = told.units_left, amount_left_minor = told.amount_left_minor, vested = told.vested,
    due_at = told.due_at
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::boolean[], $5::timestamptz[])
    told(lot_id, units_left, amount_left_minor, vested, due_at)
WHERE wallet_open.lot_id = told.lot_id

-- name: close_lots
DELETE FROM wallet_open WHERE lot_id = ANY ($1::bigint[])

-- name: find_spend
SELECT spend_id, request_hash, currency, units, amount_minor
FROM wallet_spend
WHERE programme = $1::text AND ref = $2::text

-- name: add_spend
INSERT INTO wallet_spend (buyer_id, programme, ref, request_hash, currency, units, amount_minor, to_party, to_name,
    to_purpose, spent_at)
VALUES ($1::bigint, $2::text, $3::text, $4::bytea, $5::text, $6::bigint, $7::bigint, $8::text, $9::text, $10::text,
    $11::timestamptz)
ON CONFLICT ON CONSTRAINT wallet_spend_ref_once DO NOTHING
RETURNING spend_id

-- name: spend_to_give_back
-- What was spent by a reference, when the last of its lots would have expired (NULL: one never), and what was given
-- back of it by other references than $2.
SELECT spend.spend_id, spend.buyer_id, buyer.name AS buyer, spend.currency, spend.amount_minor, spend.to_party,
    spend.to_name, spend.to_purpose,
    (
        SELECT CASE WHEN bool_or(lot.expires_at IS NULL) THEN NULL ELSE max(lot.expires_at) END
        FROM wallet_use
        JOIN wallet_lot lot ON lot.lot_id = wallet_use.lot_id
        WHERE wallet_use.spend_id = spend.spend_id
    ) AS expires_at,
    (
        SELECT coalesce(sum(back.amount_minor), 0)::bigint
        FROM wallet_lot back
        WHERE back.buyer_id = spend.buyer_id
            AND back.source_kind = 'given back'
            AND starts_with(back.source_ref, spend.spend_id || '/')
            AND back.source_ref <> spend.spend_id || '/' || $2::text
    ) AS back_minor
FROM wallet_spend spend
JOIN buyer ON buyer.buyer_id = spend.buyer_id
WHERE spend.programme = '' AND spend.ref = $1::text

-- name: buyer_of_spend
SELECT buyer_id FROM wallet_spend WHERE programme = '' AND ref = $1::text

-- name: balances
-- What a person has of money in each currency under all his names, and owes.
WITH name AS MATERIALIZED (
    SELECT known.buyer_id FROM names_of(person_of($1::bigint)) known
),
standing AS (
    SELECT currency, sum(amount_left_minor) FILTER (WHERE vested) AS usable_minor,
        sum(amount_left_minor) FILTER (WHERE NOT vested) AS pending_minor, 0 AS owed_minor
    FROM wallet_open
    WHERE buyer_id IN (SELECT buyer_id FROM name) AND programme = ''
    GROUP BY currency
    UNION ALL
    SELECT currency, 0, 0, sum(amount_minor)
    FROM wallet_claim
    WHERE buyer_id IN (SELECT buyer_id FROM name)
    GROUP BY currency
)
SELECT currency, coalesce(sum(usable_minor), 0)::bigint AS usable_minor,
    coalesce(sum(pending_minor), 0)::bigint AS pending_minor, coalesce(sum(owed_minor), 0)::bigint AS owed_minor
FROM standing
GROUP BY currency
ORDER BY currency

-- name: take_turn
-- One daemon at a time moves what is due.
SELECT pg_try_advisory_xact_lock(7706, 0)

-- name: due_buyers
-- Whose lots are due, the longest waiting first.
SELECT buyer_id
FROM (
    SELECT buyer_id, due_at FROM wallet_open WHERE due_at <= $1::timestamptz ORDER BY due_at LIMIT $2::int
) first
GROUP BY buyer_id
ORDER BY min(due_at)
