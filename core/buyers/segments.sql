-- name: facts_of_buyers
-- What segments look at, of each person at a moment: orders that were placed before it, delivered and not given back.
SELECT asked.buyer_id, asked.at, bought.orders, bought.first_at, bought.last_at, bought.channels, sold.tags, listed.lists
FROM unnest($1::bigint[], $2::timestamptz[]) asked(buyer_id, at)
CROSS JOIN LATERAL (
    SELECT count(*) AS orders, min(order_now.placed_at) AS first_at, max(order_now.placed_at) AS last_at,
        coalesce(array_agg(DISTINCT channel.name), '{}') AS channels,
        coalesce(array_agg(order_now.order_id), '{}') AS order_ids
    FROM names_of(person_of(asked.buyer_id)) name
    JOIN buyer_handle ON buyer_handle.buyer_id = name.buyer_id
    JOIN order_now ON order_now.channel_id = buyer_handle.channel_id
        AND order_now.buyer_ref = buyer_handle.buyer_ref
        AND order_now.placed_at < asked.at
    JOIN channel ON channel.channel_id = order_now.channel_id
    WHERE order_now.state = 'delivered'
) bought
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(DISTINCT tag), '{}') AS tags
    FROM order_line
    JOIN sku ON sku.sku_id = order_line.sku_id
    CROSS JOIN LATERAL unnest(sku.tags) tag
    WHERE order_line.order_id = ANY (bought.order_ids)
) sold
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(DISTINCT latest.list), '{}') AS lists
    FROM (
        SELECT DISTINCT ON (buyer_list.buyer_id, buyer_list.list) buyer_list.list, buyer_list.listed
        FROM names_of(person_of(asked.buyer_id)) name
        JOIN buyer_list ON buyer_list.buyer_id = name.buyer_id AND buyer_list.since <= asked.at
        ORDER BY buyer_list.buyer_id, buyer_list.list, buyer_list.row_no DESC
    ) latest
    WHERE latest.listed
) listed

-- name: turnovers
-- What each person spent in each window before a moment, by currency.
SELECT asked.buyer_id, asked.at, windows.days, order_now.currency,
    sum(order_line.quantity * order_line.unit_price_minor)::bigint AS turnover_minor
FROM unnest($1::bigint[], $2::timestamptz[]) asked(buyer_id, at)
CROSS JOIN unnest($3::int[]) windows(days)
CROSS JOIN LATERAL names_of(person_of(asked.buyer_id)) name
JOIN buyer_handle ON buyer_handle.buyer_id = name.buyer_id
JOIN order_now ON order_now.channel_id = buyer_handle.channel_id
    AND order_now.buyer_ref = buyer_handle.buyer_ref
    AND order_now.placed_at < asked.at
    AND order_now.placed_at >= asked.at - make_interval(days => windows.days)
JOIN order_line ON order_line.order_id = order_now.order_id
WHERE order_now.state = 'delivered'
GROUP BY asked.buyer_id, asked.at, windows.days, order_now.currency

-- name: segments
SELECT DISTINCT ON (name) name, rules
FROM segment
ORDER BY name, version DESC

-- name: publish_segments
-- A version for whatever differs from the last one; those that are not written any more end.
WITH told AS (
    SELECT each.name, each.rules
    FROM unnest($1::text[], $2::jsonb[]) each(name, rules)
),
latest AS (
    SELECT DISTINCT ON (segment.name) segment.name, segment.version, segment.rules
    FROM segment
    ORDER BY segment.name, segment.version DESC
)
INSERT INTO segment (name, version, rules, published_at)
SELECT coalesce(told.name, latest.name), coalesce(latest.version, 0) + 1, told.rules, $3::timestamptz
FROM told
FULL JOIN latest ON latest.name = told.name
WHERE told.rules IS DISTINCT FROM latest.rules
ON CONFLICT ON CONSTRAINT segment_key DO NOTHING

-- name: people_after
-- Everybody, each person once, in the order of their ids.
SELECT buyer.buyer_id, buyer.name
FROM buyer
WHERE buyer.buyer_id > $1::bigint AND person_of(buyer.buyer_id) = buyer.buyer_id
ORDER BY buyer.buyer_id
LIMIT $2::int

-- name: set_listed
-- Only what changes is written; how many did.
INSERT INTO buyer_list (list, buyer_id, listed, since, actor)
SELECT $1::text, told.buyer_id, $3::boolean, $4::timestamptz, $5::text
FROM unnest($2::bigint[]) told(buyer_id)
LEFT JOIN LATERAL (
    SELECT buyer_list.listed
    FROM buyer_list
    WHERE buyer_list.list = $1::text AND buyer_list.buyer_id = told.buyer_id
    ORDER BY buyer_list.row_no DESC
    LIMIT 1
) latest ON true
WHERE coalesce(latest.listed, false) <> $3::boolean
RETURNING buyer_id

-- name: lists
SELECT latest.list, count(*)::int AS buyers
FROM (
    SELECT DISTINCT ON (list, buyer_id) list, buyer_id, listed
    FROM buyer_list
    ORDER BY list, buyer_id, row_no DESC
) latest
WHERE latest.listed
GROUP BY latest.list
ORDER BY latest.list
