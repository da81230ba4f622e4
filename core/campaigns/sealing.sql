-- name: add_seed
INSERT INTO campaign_seed (version_id, key_id, wrapped) VALUES ($1::int, $2::text, $3::bytea)

-- name: plain_seeds
SELECT version_id, seed FROM campaign_seed WHERE seed IS NOT NULL ORDER BY version_id FOR UPDATE

-- name: seal_seed
UPDATE campaign_seed SET seed = NULL, key_id = $2::text, wrapped = $3::bytea WHERE version_id = $1::int
