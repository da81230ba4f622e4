-- The daemons that share this database; one not seen for a lease's length counts as dead.

CREATE TABLE daemon (
    name text NOT NULL,
    seen_at timestamptz NOT NULL,
    CONSTRAINT daemon_key PRIMARY KEY (name)
);
