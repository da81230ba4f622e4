-- name: alike
-- Everybody who counts as a person: his names, and whoever left an account or a device of his. A street, a household
-- or an office is shared by many, so an address says nothing here.
WITH name AS (
    SELECT known.buyer_id FROM names_of(person_of($1::bigint)) known
)
SELECT name.buyer_id FROM name
UNION
SELECT other.buyer_id
FROM name
JOIN buyer_mark own ON own.buyer_id = name.buyer_id AND own.kind IN ('account', 'device')
JOIN buyer_mark other ON other.kind = own.kind AND other.hash = own.hash
