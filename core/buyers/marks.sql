-- name: note_marks
-- A mark that is seen again and again is written once a day at most.
INSERT INTO buyer_mark (buyer_id, kind, hash, first_seen_at, last_seen_at)
SELECT told.buyer_id, told.kind, told.hash, $4::timestamptz, $4::timestamptz
FROM unnest($1::bigint[], $2::text[], $3::bytea[]) told(buyer_id, kind, hash)
ORDER BY told.buyer_id, told.kind, told.hash
ON CONFLICT ON CONSTRAINT buyer_mark_key DO UPDATE
SET last_seen_at = excluded.last_seen_at
WHERE buyer_mark.last_seen_at < excluded.last_seen_at - INTERVAL '1 day'

-- name: marks_of_people
SELECT DISTINCT asked.person_id, mark.kind, mark.hash
FROM unnest($1::bigint[]) asked(person_id)
CROSS JOIN LATERAL names_of(asked.person_id) name
JOIN buyer_mark mark ON mark.buyer_id = name.buyer_id

-- name: sweep_marks
DELETE FROM buyer_mark
WHERE (buyer_id, kind, hash) IN (
    SELECT old.buyer_id, old.kind, old.hash
    FROM buyer_mark old
    WHERE old.last_seen_at < $1::timestamptz
    ORDER BY old.last_seen_at
    LIMIT $2::int
)

-- name: forget_marks
DELETE FROM buyer_mark
WHERE buyer_id IN (SELECT name.buyer_id FROM names_of(person_of($1::bigint)) name)
