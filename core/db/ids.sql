-- name: next_block
SELECT nextval($1::regclass)
