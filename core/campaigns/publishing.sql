-- name: lock_campaign
SELECT campaign.currency, campaign.budget_minor, campaign.spent_minor, campaign_stop.stopped_at
FROM campaign
LEFT JOIN campaign_stop ON campaign_stop.name = campaign.name
WHERE campaign.name = $1::text
FOR UPDATE OF campaign

-- name: add_campaign
INSERT INTO campaign (name, currency, budget_minor, created_at)
VALUES ($1::text, $2::text, $3::bigint, $4::timestamptz)
ON CONFLICT ON CONSTRAINT campaign_key DO NOTHING

-- name: set_budget
UPDATE campaign SET budget_minor = $2::bigint WHERE name = $1::text

-- name: latest_version
SELECT version_id, version, content, published_at
FROM campaign_version
WHERE name = $1::text
ORDER BY version DESC
LIMIT 1

-- name: add_version
INSERT INTO campaign_version (
    name, version, content, starts_at, ends_at, published_at, actor, seed_hash
)
VALUES (
    $1::text, $2::int, $3::jsonb, $4::timestamptz, $5::timestamptz, $6::timestamptz, $7::text, $8::bytea
)
RETURNING version_id

-- name: read_earlier
-- What came before a version is read by a cursor of its own, up to where the journal stands now.
INSERT INTO campaign_cursor (cursor_no, written_in, transaction_id, until_written_in, moved_at)
VALUES ($1::int, 0, -1, journal_clock(), $2::timestamptz)

-- name: add_stop
INSERT INTO campaign_stop (name, stopped_at, actor, reason)
VALUES ($1::text, $2::timestamptz, $3::text, $4::text)
ON CONFLICT ON CONSTRAINT campaign_stop_key DO NOTHING
RETURNING name

-- name: versions
-- All that was ever published, with the sealed seeds of draws, in the order of names and versions.
SELECT campaign_version.version_id, campaign_version.name, campaign_version.version, campaign_version.content,
    campaign_version.starts_at, campaign_version.ends_at, campaign_version.published_at,
    campaign_seed.key_id, campaign_seed.wrapped, campaign_stop.stopped_at
FROM campaign_version
LEFT JOIN campaign_seed ON campaign_seed.version_id = campaign_version.version_id
LEFT JOIN campaign_stop ON campaign_stop.name = campaign_version.name
ORDER BY campaign_version.name, campaign_version.version
