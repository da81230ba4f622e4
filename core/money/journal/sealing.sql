-- Sealing what was written, and what others need to find it again.

-- name: lock_seal
-- Nobody else may seal at the same time; who finds the row locked leaves it to the other.
SELECT written_in, transaction_id FROM journal_seal FOR UPDATE SKIP LOCKED

-- name: hold_to_lookups
-- What was never analyzed looks small to the planner; sealing reads a short stretch of large tables.
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
    set_config('enable_mergejoin', 'off', true), set_config('enable_bitmapscan', 'off', true),
    set_config('TimeZone', 'UTC', true)

-- name: horizon
SELECT journal_horizon()

-- name: unsealed
-- Transactions in the order in which they are sealed, each with its rates and entries as text. Columns that later
-- versions add are covered from the first row that fills them: what is NULL is left out.
SELECT posted.lane, posted.transaction_id, posted.written_in, written.entries,
    jsonb_strip_nulls(to_jsonb(posted))::text || coalesce(written.lines, '') || coalesce((
        SELECT string_agg(to_jsonb(journal_rate)::text, '' ORDER BY journal_rate.role)
        FROM journal_rate
        WHERE journal_rate.transaction_id = posted.transaction_id
    ), '') AS text
FROM journal_transaction posted
CROSS JOIN LATERAL (
    SELECT count(*)::int AS entries, string_agg(
        ROW(entry.entry_no, entry.amount_minor, account.party, account.party_name, account.purpose,
            account.currency)::text, '' ORDER BY entry.entry_no
    ) AS lines
    FROM entry
    LEFT JOIN account ON account.account_id = entry.account_id
    WHERE entry.transaction_id = posted.transaction_id
) written
WHERE posted.written_in >= $1::bigint
    AND posted.written_in < $3::bigint
    AND (posted.written_in, posted.transaction_id) > ($1::bigint, $2::bigint)
ORDER BY posted.written_in, posted.transaction_id
LIMIT $4::bigint

-- name: last_blocks
-- A probe for each lane, however many blocks there are.
WITH RECURSIVE chain AS (
    SELECT min(lane) AS lane FROM journal_block
    UNION ALL
    SELECT (SELECT min(journal_block.lane) FROM journal_block WHERE journal_block.lane > chain.lane)
    FROM chain
    WHERE chain.lane IS NOT NULL
)
SELECT last.lane, last.block_no, last.hash, last.sealed_at
FROM chain
CROSS JOIN LATERAL (
    SELECT lane, block_no, hash, sealed_at
    FROM journal_block
    WHERE journal_block.lane = chain.lane
    ORDER BY block_no DESC
    LIMIT 1
) last
ORDER BY last.lane

-- name: add_block
INSERT INTO journal_block (lane, block_no, until_written_in, until_transaction_id, transactions, entries, members,
    previous_hash, hash, sealed_at)
VALUES ($1::smallint, $2::int, $3::bigint, $4::bigint, $5::int, $6::int, $7::bytea, $8::bytea, $9::bytea,
    $10::timestamptz)

-- name: add_totals
-- From after the first key up to the second, both as the rows carry them.
INSERT INTO account_total (account_id, period, debit_minor, credit_minor, entries)
SELECT written.account_id, date_trunc('month', posted.posted_at AT TIME ZONE 'UTC')::date,
    coalesce(sum(written.amount_minor) FILTER (WHERE written.amount_minor > 0), 0)::bigint,
    coalesce(-sum(written.amount_minor) FILTER (WHERE written.amount_minor < 0), 0)::bigint,
    count(*)
FROM journal_transaction posted
CROSS JOIN LATERAL (
    SELECT entry.account_id, entry.amount_minor FROM entry WHERE entry.transaction_id = posted.transaction_id OFFSET 0
) written
WHERE posted.written_in BETWEEN $1::bigint AND $3::bigint
    AND (posted.written_in, posted.transaction_id) > ($1::bigint, $2::bigint)
    AND (posted.written_in, posted.transaction_id) <= ($3::bigint, $4::bigint)
GROUP BY 1, 2
ORDER BY 1, 2
ON CONFLICT ON CONSTRAINT account_total_key DO UPDATE
SET debit_minor = account_total.debit_minor + excluded.debit_minor,
    credit_minor = account_total.credit_minor + excluded.credit_minor,
    entries = account_total.entries + excluded.entries

-- name: move_seal
UPDATE journal_seal SET written_in = $1::bigint, transaction_id = $2::bigint, sealed_at = $3::timestamptz

-- name: advance_clock
SELECT advance_journal_clock()
