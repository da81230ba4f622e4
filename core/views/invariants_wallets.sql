-- What wallets and points never show in a healthy database; same shape as invariants.sql.

-- name: lots_apart
-- What is left of a lot is what was credited less all that left it; nothing of it is claimed that was not spent, and
-- a spending is the sum of what was taken for it.
WITH used AS (
    SELECT lot_id,
        sum(units) FILTER (WHERE kind NOT IN ('vested', 'claimed')) AS units,
        sum(amount_minor) FILTER (WHERE kind NOT IN ('vested', 'claimed')) AS amount_minor,
        sum(units) FILTER (WHERE kind IN ('spent', 'set_off')) AS gone,
        sum(units) FILTER (WHERE kind = 'claimed') AS claimed,
        count(*) FILTER (WHERE kind = 'vested') AS vested,
        count(*) AS uses,
        max(use_no) AS last_no
    FROM wallet_use
    GROUP BY lot_id
),
rebuilt AS (
    SELECT lot.lot_id, lot.units - coalesce(used.units, 0) AS units_left,
        lot.amount_minor - coalesce(used.amount_minor, 0) AS amount_left_minor,
        lot.vests_at IS NULL OR coalesce(used.vested, 0) > 0 AS vested,
        coalesce(used.claimed, 0) > coalesce(used.gone, 0) OR coalesce(used.vested, 0) > 1
            OR coalesce(used.uses, 0) <> coalesce(used.last_no, 0) AS odd
    FROM wallet_lot lot
    LEFT JOIN used ON used.lot_id = lot.lot_id
),
wrong AS (
    SELECT format('lot %s has %s left worth %s, and is kept as %s worth %s', rebuilt.lot_id, rebuilt.units_left,
        rebuilt.amount_left_minor, coalesce(kept.units_left, 0), coalesce(kept.amount_left_minor, 0)) AS what
    FROM rebuilt
    LEFT JOIN wallet_open kept ON kept.lot_id = rebuilt.lot_id
    WHERE rebuilt.units_left < 0
        OR rebuilt.amount_left_minor < 0
        OR rebuilt.units_left <> coalesce(kept.units_left, 0)
        OR rebuilt.amount_left_minor <> coalesce(kept.amount_left_minor, 0)
        OR rebuilt.vested <> kept.vested
        OR rebuilt.odd
    UNION ALL
    SELECT format('lot %s is kept open and is none', kept.lot_id)
    FROM wallet_open kept
    WHERE NOT EXISTS (SELECT FROM wallet_lot WHERE wallet_lot.lot_id = kept.lot_id)
    UNION ALL
    SELECT format('spending %s is of %s worth %s, and %s worth %s were taken for it', spend.spend_id, spend.units,
        spend.amount_minor, coalesce(sum(wallet_use.units), 0), coalesce(sum(wallet_use.amount_minor), 0))
    FROM wallet_spend spend
    LEFT JOIN wallet_use ON wallet_use.spend_id = spend.spend_id
    GROUP BY spend.spend_id
    HAVING coalesce(sum(wallet_use.units), 0) <> spend.units
        OR coalesce(sum(wallet_use.amount_minor), 0) <> spend.amount_minor
)
SELECT count(*) OVER () AS total, what FROM wrong LIMIT 20

-- name: wallets_apart
-- What a buyer's account says in the journal is the sum of his lots, or of what he owes.
WITH standing AS (
    SELECT kept.buyer_id, kept.currency,
        CASE kept.programme WHEN '' THEN 'wallet' ELSE 'points' END
            || CASE WHEN kept.vested THEN '' ELSE '_pending' END AS purpose,
        -sum(kept.amount_left_minor) AS amount_minor
    FROM wallet_open kept
    GROUP BY 1, 2, 3
    UNION ALL
    SELECT buyer_id, currency, 'claim', sum(amount_minor) FROM wallet_claim GROUP BY buyer_id, currency
),
told AS (
    SELECT buyer.name AS buyer, standing.purpose, standing.currency, standing.amount_minor
    FROM standing
    JOIN buyer ON buyer.buyer_id = standing.buyer_id
),
booked AS (
    SELECT account.party_name AS buyer, account.purpose, account.currency, sum(entry.amount_minor) AS amount_minor
    FROM account
    JOIN entry ON entry.account_id = account.account_id
    WHERE account.party = 'buyer'
        AND account.purpose IN ('wallet', 'wallet_pending', 'points', 'points_pending', 'claim')
    GROUP BY account.party_name, account.purpose, account.currency
)
SELECT count(*) OVER () AS total,
    format('%s of %s: its lots come to %s %s, its account to %s', coalesce(told.purpose, booked.purpose),
        coalesce(told.buyer, booked.buyer), coalesce(told.amount_minor, 0), coalesce(told.currency, booked.currency),
        coalesce(booked.amount_minor, 0)) AS what
FROM told
FULL JOIN booked ON booked.buyer = told.buyer AND booked.purpose = told.purpose AND booked.currency = told.currency
WHERE coalesce(told.amount_minor, 0) <> coalesce(booked.amount_minor, 0)
LIMIT 20
