-- name: create_schema_migration
CREATE TABLE IF NOT EXISTS schema_migration (
    version integer NOT NULL CONSTRAINT schema_migration_pkey PRIMARY KEY,
    name text NOT NULL,
    sha256 text NOT NULL CONSTRAINT schema_migration_sha256_length CHECK (length(sha256) = 64),
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- name: has_schema_migration
SELECT to_regclass('schema_migration') IS NOT NULL;

-- name: applied
SELECT version, name, sha256
FROM schema_migration
ORDER BY version;

-- name: record
INSERT INTO schema_migration (version, name, sha256)
VALUES ($1, $2, $3);

-- name: try_lock
-- Asked again and again: a waiting statement would keep a snapshot open all that time.
SELECT pg_try_advisory_lock(hashtext('consignd'), hashtext('schema_migration'));

-- name: unlock
SELECT pg_advisory_unlock(hashtext('consignd'), hashtext('schema_migration'));
