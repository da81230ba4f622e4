-- Holding the journal against its chain. All of it runs in one repeatable-read transaction.

-- name: as_planned
-- After the walk come sums over whole tables, which look-ups are wrong for.
SELECT set_config('enable_seqscan', 'on', true), set_config('enable_hashjoin', 'on', true),
    set_config('enable_mergejoin', 'on', true), set_config('enable_bitmapscan', 'on', true)

-- name: reach
-- How far sealing says it came, and how many transactions the blocks count.
SELECT written_in, transaction_id,
    (SELECT coalesce(sum(transactions), 0)::bigint FROM journal_block) AS transactions
FROM journal_seal

-- name: lanes
SELECT DISTINCT lane FROM journal_block ORDER BY lane

-- name: next_blocks
-- Many at a time: where little is sold, a block holds one sale.
SELECT lane, block_no, until_written_in, until_transaction_id, transactions, entries, members, previous_hash, hash,
    sealed_at
FROM journal_block
WHERE lane = $1::smallint AND block_no > $2::int
ORDER BY block_no
LIMIT 64

-- name: block_hash
SELECT hash FROM journal_block WHERE lane = $1::smallint AND block_no = $2::int

-- name: place_of
-- Where a transaction stands that its block does not find at its place; NULL: nowhere.
SELECT lane, written_in FROM journal_transaction WHERE transaction_id = $1::bigint

-- name: entries_of_none
-- Entries whose transaction is none.
SELECT DISTINCT entry.transaction_id
FROM entry
WHERE NOT EXISTS (
    SELECT FROM journal_transaction WHERE journal_transaction.transaction_id = entry.transaction_id
)
ORDER BY entry.transaction_id
LIMIT 20

-- name: rates_of_none
-- Rates of no transaction; the key that refuses them can be dropped by whoever owns the table.
SELECT DISTINCT journal_rate.transaction_id
FROM journal_rate
WHERE NOT EXISTS (
    SELECT FROM journal_transaction WHERE journal_transaction.transaction_id = journal_rate.transaction_id
)
ORDER BY journal_rate.transaction_id
LIMIT 20

-- name: totals_off
-- Totals that are not the sum of what was sealed.
WITH summed AS (
    SELECT entry.account_id, date_trunc('month', posted.posted_at AT TIME ZONE 'UTC')::date AS period,
        coalesce(sum(entry.amount_minor) FILTER (WHERE entry.amount_minor > 0), 0)::bigint AS debit_minor,
        coalesce(-sum(entry.amount_minor) FILTER (WHERE entry.amount_minor < 0), 0)::bigint AS credit_minor,
        count(*) AS entries
    FROM journal_transaction posted
    JOIN entry ON entry.transaction_id = posted.transaction_id
    WHERE (posted.written_in, posted.transaction_id) <= ($1::bigint, $2::bigint)
    GROUP BY 1, 2
)
SELECT coalesce(total.account_id, summed.account_id) AS account_id,
    to_char(coalesce(total.period, summed.period), 'YYYY-MM') AS period,
    total.debit_minor, total.credit_minor, total.entries,
    summed.debit_minor AS summed_debit_minor, summed.credit_minor AS summed_credit_minor
FROM account_total total
FULL JOIN summed ON summed.account_id = total.account_id AND summed.period = total.period
WHERE (total.debit_minor, total.credit_minor, total.entries)
    IS DISTINCT FROM (summed.debit_minor, summed.credit_minor, summed.entries)
ORDER BY 1, 2
LIMIT 20
