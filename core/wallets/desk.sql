-- name: knows_channel
SELECT EXISTS (SELECT FROM channel WHERE name = $1::text)
