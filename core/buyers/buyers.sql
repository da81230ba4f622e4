-- name: find_handles
SELECT buyer_handle.channel_id, buyer_handle.buyer_ref, buyer.buyer_id, buyer.name
FROM unnest($1::int[], $2::text[]) asked(channel_id, buyer_ref)
JOIN buyer_handle ON buyer_handle.channel_id = asked.channel_id AND buyer_handle.buyer_ref = asked.buyer_ref
JOIN buyer ON buyer.buyer_id = buyer_handle.buyer_id

-- name: add_buyers
-- In the order of their names, so that two who meet the same buyers wait for each other instead of locking up.
INSERT INTO buyer (name, known_since)
SELECT channel.name || '/' || asked.buyer_ref, $3::timestamptz
FROM unnest($1::int[], $2::text[]) asked(channel_id, buyer_ref)
JOIN channel ON channel.channel_id = asked.channel_id
WHERE NOT EXISTS (
    SELECT FROM buyer_handle
    WHERE buyer_handle.channel_id = asked.channel_id AND buyer_handle.buyer_ref = asked.buyer_ref
)
ORDER BY channel.name || '/' || asked.buyer_ref
ON CONFLICT ON CONSTRAINT buyer_name_once DO NOTHING

-- name: add_handles
INSERT INTO buyer_handle (channel_id, buyer_ref, buyer_id, since)
SELECT asked.channel_id, asked.buyer_ref, buyer.buyer_id, $3::timestamptz
FROM unnest($1::int[], $2::text[]) asked(channel_id, buyer_ref)
JOIN channel ON channel.channel_id = asked.channel_id
JOIN buyer ON buyer.name = channel.name || '/' || asked.buyer_ref
ORDER BY asked.channel_id, asked.buyer_ref
ON CONFLICT ON CONSTRAINT buyer_handle_key DO NOTHING

-- name: find_buyer
SELECT buyer_id, name
FROM buyer
WHERE name = $1::text
