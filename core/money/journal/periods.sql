-- Closing months and opening them again.

-- name: soon_or_not
-- Sales wait while the journal is locked; whoever closes a month gives up rather than have them wait for long.
SELECT set_config('lock_timeout', '2s', true)

-- name: lock_journal
-- Waits for all that are writing, and lets nobody begin: who posts later sees the month closed.
LOCK TABLE journal_transaction IN SHARE ROW EXCLUSIVE MODE

-- name: last_change
SELECT change_no, closed_until FROM period_change ORDER BY change_no DESC LIMIT 1

-- name: add_change
INSERT INTO period_change (change_no, closed_until, at, actor, reason)
VALUES ($1::int, $2::timestamptz, $3::timestamptz, $4::text, $5::text)
