-- name: find_handles
-- Whoever was joined with another is found as that person.
SELECT buyer_handle.channel_id, buyer_handle.buyer_ref, buyer.buyer_id, buyer.name
FROM unnest($1::int[], $2::text[]) asked(channel_id, buyer_ref)
JOIN buyer_handle ON buyer_handle.channel_id = asked.channel_id AND buyer_handle.buyer_ref = asked.buyer_ref
JOIN buyer ON buyer.buyer_id = person_of(buyer_handle.buyer_id)

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

-- name: find_channel
SELECT channel_id FROM channel WHERE name = $1::text

-- name: lock_joins
-- With whoever says who brought whom: both read the ways from person to person.
SELECT pg_advisory_xact_lock(7709, 0)

-- name: person
SELECT buyer.buyer_id, buyer.name
FROM buyer
WHERE buyer.buyer_id = person_of($1::bigint)

-- name: ids_of_person
SELECT name.buyer_id FROM names_of(person_of($1::bigint)) name ORDER BY name.buyer_id

-- name: lock_names
-- Whoever moves money of a person holds all his names, in the order of their ids; so does whoever joins or parts them.
SELECT buyer_id
FROM buyer
WHERE buyer_id = ANY ($1::bigint[])
ORDER BY buyer_id
FOR NO KEY UPDATE

-- name: names
-- Each name of a person, what channels call it, and the person's own name first.
SELECT buyer.buyer_id, buyer.name, buyer.known_since,
    ARRAY(
        SELECT channel.name || '/' || buyer_handle.buyer_ref
        FROM buyer_handle
        JOIN channel ON channel.channel_id = buyer_handle.channel_id
        WHERE buyer_handle.buyer_id = buyer.buyer_id
        ORDER BY 1
    ) AS handles
FROM names_of(person_of($1::bigint)) name
JOIN buyer ON buyer.buyer_id = name.buyer_id
ORDER BY buyer.buyer_id <> person_of($1::bigint), buyer.buyer_id

-- name: add_join
INSERT INTO buyer_join (buyer_id, into_id, since, actor, reason)
VALUES ($1::bigint, $2::bigint, $3::timestamptz, $4::text, $5::text)

-- name: joins
SELECT buyer.name AS buyer, person.name AS into_name, joined.since, joined.actor, joined.reason
FROM buyer_join joined
JOIN buyer ON buyer.buyer_id = joined.buyer_id
LEFT JOIN buyer person ON person.buyer_id = joined.into_id
WHERE joined.buyer_id = ANY ($1::bigint[]) OR joined.into_id = ANY ($1::bigint[])
ORDER BY joined.join_no DESC
LIMIT $2::int
