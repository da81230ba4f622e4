-- name: earned_since
-- Points that people have earned since a moment each, less what was taken back of them; in the order of the asking.
SELECT earned.measured
FROM unnest($1::bigint[], $2::text[], $3::timestamptz[]) WITH ORDINALITY asked(buyer_id, programme, since, n)
CROSS JOIN LATERAL (
    SELECT coalesce(sum(lot.units - coalesce(back.units, 0)), 0)::bigint AS measured
    FROM wallet_lot lot
    LEFT JOIN LATERAL (
        SELECT sum(wallet_use.units) AS units
        FROM wallet_use
        WHERE wallet_use.lot_id = lot.lot_id AND wallet_use.kind IN ('taken_back', 'claimed')
    ) back ON true
    WHERE lot.buyer_id IN (SELECT name.buyer_id FROM names_of(person_of(asked.buyer_id)) name)
        AND lot.programme = asked.programme
        AND lot.credited_at > asked.since
) earned
ORDER BY asked.n

-- name: turnover_since
-- What people's orders came to that were delivered since a moment each, in a currency; refunded ones do not count.
SELECT bought.measured
FROM unnest($1::bigint[], $2::text[], $3::timestamptz[]) WITH ORDINALITY asked(buyer_id, currency, since, n)
CROSS JOIN LATERAL (
    SELECT coalesce(sum(order_line.quantity * order_line.unit_price_minor), 0)::bigint AS measured
    FROM names_of(person_of(asked.buyer_id)) name
    JOIN buyer_handle ON buyer_handle.buyer_id = name.buyer_id
    JOIN order_now ON order_now.channel_id = buyer_handle.channel_id
        AND order_now.buyer_ref = buyer_handle.buyer_ref
    JOIN order_line ON order_line.order_id = order_now.order_id
    WHERE order_now.currency = asked.currency
        AND order_now.state = 'delivered'
        AND order_now.state_since > asked.since
) bought
ORDER BY asked.n

-- name: times_since
-- How often a person was credited for a task since a moment.
SELECT count(*)
FROM wallet_lot
WHERE buyer_id IN (SELECT name.buyer_id FROM names_of(person_of($1::bigint)) name)
    AND programme = $2::text
    AND source_kind = $3::text
    AND credited_at >= $4::timestamptz
    AND credited_at < $4::timestamptz + interval '1 day'

-- name: lot_of_source
SELECT lot_id
FROM wallet_lot
WHERE source_kind = $1::text AND source_ref = $2::text AND programme = $3::text
