-- name: move_cursor
INSERT INTO channel_cursor (channel_id, subject, position, moved_at)
VALUES ($1::int, $2::text, $3::text, $4::timestamptz)
ON CONFLICT ON CONSTRAINT channel_cursor_key
DO UPDATE SET position = excluded.position, moved_at = excluded.moved_at

-- name: read_cursor
SELECT position FROM channel_cursor WHERE channel_id = $1::int AND subject = $2::text
