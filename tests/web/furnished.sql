-- The rows of a busy day that no function of the product would write all at once.

-- name: find_listing
SELECT listing_id
FROM listing
JOIN channel USING (channel_id)
WHERE name = 'answering'
    AND listing_ref = 'L-2'

-- name: show_as_told
UPDATE offer
SET observed_quantity = published_quantity, observed_price_minor = published_price_minor,
    observed_net_minor = published_net_minor, observed_on = published_on AND published_quantity > 0,
    observed_at = published_at
WHERE published_at IS NOT NULL

-- name: doubt
UPDATE offer
SET doubt_quantity = 30
WHERE listing_id % 17 = 4

-- name: differ
UPDATE offer
SET observed_quantity = observed_quantity + 2, observed_price_minor = observed_price_minor - 50
WHERE listing_id % 13 = 5
    AND published_quantity > 0

-- name: drift
INSERT INTO drift (channel_id, listing_ref, listing_id, what, kind, action, asks, why, published, observed,
    seen_at, last_seen_at, times)
SELECT channel_id, listing_ref, listing_id, CASE WHEN listing_id % 2 = 0 THEN 'price' ELSE 'quantity' END,
    'edited_by_hand', 'hold', listing_id % 13 = 5, 'somebody changed it there: 手动修改', '25.99 EUR',
    '19.99 EUR', now() - interval '2 hours', now(), 3
FROM listing
WHERE listing_id % 13 IN (5, 6)

-- name: adopt
INSERT INTO adoption (listing_id, what, amount, actor, reason, adopted_at)
SELECT listing_id, 'quantity', 3, 'ann', 'agreed with the marketplace', now()
FROM listing
ORDER BY listing_id DESC LIMIT 2

-- name: health
INSERT INTO channel_health (channel_id, subject, ok, detail, changed_at, seen_at)
SELECT channel_id, subject, subject <> 'pull' OR name <> 'hasty', 
    CASE WHEN subject = 'pull' AND name = 'hasty' THEN '503 from the marketplace' ELSE '' END, now() - interval '3 hours', now()
FROM channel
CROSS JOIN unnest(ARRAY['push', 'pull']) subject

-- name: lags
INSERT INTO publish_lag (channel_id, hour, bucket, samples, longest_seconds)
SELECT channel_id, date_trunc('hour', now()), bucket, (400 * exp(-power(bucket - 36, 2) / 40.0))::int + 1,
    0.001 * power(2, bucket / 4.0)
FROM channel
CROSS JOIN generate_series(24, 56) bucket
WHERE name <> 'silent'

-- name: selling
INSERT INTO selling (sku_id, channel_id, quick_units, slow_units, slow_lines, counted_at, first_sold_at,
    last_sold_at)
SELECT sku_id, channel_id, 1, 3 + sku_id * 4, 3 + sku_id * 3, now(), now() - interval '40 days', now()
FROM unnest($1::int[]) sku_id
CROSS JOIN channel
WHERE sku_id % 5 <> 0

-- name: some_listings
SELECT listing_id
FROM offer
WHERE listing_id % 11 = 3 LIMIT 3

-- name: history
INSERT INTO price_change (listing_id, was_minor, price_minor, net_minor, changed_at)
SELECT $1, 2399 + 100 * ((n - 1) % 4), 2399 + 100 * (n % 4), 2100 + 90 * (n % 4), 
    now() - (15 - n) * interval '11 hours'
FROM generate_series(1, 14) n

-- name: look
INSERT INTO competitor_look (listing_id, tried_at, looked_at, seen_at)
VALUES ($1, now(), now(), now())

-- name: sighting
INSERT INTO sighting (listing_id, seen_at, position, seller, price_minor, currency, quantity, own)
SELECT $1, seen_at, $2, $3, $4, 'EUR', $5, false
FROM competitor_look
WHERE listing_id = $1

-- name: outcomes
INSERT INTO guard_outcome (channel_id, asked, order_ref, listing_id, ok, at)
SELECT channel_id, asked, 'g' || n, 0, n > failed, now() - n * interval '20 seconds'
FROM channel
CROSS JOIN (VALUES ('reserve', 5), ('provide', 4)) asks(asked, failed)
CROSS JOIN generate_series(1, 24) n
WHERE name = 'answering'

-- name: trips
INSERT INTO guard_trip (channel_id, listing_id, line, why, closed_at)
SELECT channel_id, listing_id, 'provide share 0.2', '1 more failure would reach the line of 0.2', now()
FROM listing
JOIN channel USING (channel_id)
WHERE name = 'answering'
    AND listing_ref IN ('L-6', 'L-7')

-- name: incident
INSERT INTO incident (rule, metric, subject, severity, cross_line, clear_line, first_value, last_value, facts,
    crossed_at, opened_at, seen_at, acknowledged_at, acknowledged_by, acknowledged_reason, closed_at,
    closed_why)
VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, now() - interval '2 hours', now() - interval '2 hours', now(),
    CASE WHEN $9 THEN now() END, CASE WHEN $9 THEN 'ann' END, CASE WHEN $9 THEN 'ordered more, 已下单' END, CASE
    WHEN $10 THEN now() END, CASE WHEN $10 THEN 'recovered' END)

-- name: message
INSERT INTO alert_message (route, severity, title, body, state, attempts, due_at, error, written_at, ended_at)
VALUES ('钉钉 ops', 'critical', $1, $1 || E'\nrule lag, alert #2', $2, 10, now(), $3, now(), now())
RETURNING message_id

-- name: notice
INSERT INTO alert_notice (incident_id, kind, route, value, facts, at, due_at, message_id)
SELECT incident_id, 'raised', $2, last_value, '{}', now(), now(), $1
FROM incident
WHERE incident_id IN (1, 2, 3)
    AND ($2 = 'sent' OR incident_id = 2)
