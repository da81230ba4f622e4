-- The rows of a week of promotions that no function of the product would write all at once.

-- name: open_group
SELECT ref
FROM buying_group
WHERE outcome IS NULL
ORDER BY group_id
LIMIT 1

-- name: order_of
SELECT order_id FROM channel_order WHERE order_ref = $1

-- name: ring
INSERT INTO campaign_refusal (name, version_id, order_id, reward, code, reason, refused_at)
SELECT campaign_version.name, campaign_version.version_id, channel_order.order_id, 'a tenth back', 'own_ring',
    'telling/bob and telling/ann have left the same device: it is likely one person', $1
FROM campaign_version
CROSS JOIN channel_order
WHERE campaign_version.name = 'telling' AND channel_order.order_ref IN ('G-ann', 'B-3')

-- name: group_offer
INSERT INTO group_offer (name)
VALUES ('trio')

-- name: friends
INSERT INTO buying_group (ref, offer, size, opened_at, ends_at)
VALUES ('friends', 'trio', 3, $1::timestamptz, $1::timestamptz + interval '1 day')
