-- Fills a journal and looks at it the plain way.

-- name: add_accounts
-- Two hundred consignors on ten channels.
INSERT INTO account (party, party_name, purpose, currency)
SELECT party, name, purpose, 'EUR'
FROM (
    SELECT 'channel' AS party, 'channel ' || n AS name, purpose
    FROM generate_series(1, 10) n CROSS JOIN unnest('{receivable,commission,recharged}'::text[]) purpose
    UNION ALL
    SELECT 'operator', '', 'commission'
    UNION ALL
    SELECT 'consignor', 'consignor ' || n, 'payable' FROM generate_series(1, 200) n
) account

-- name: add_orders
-- Sales of five entries each, over four months, numbered from after $1 to $2.
WITH sale AS (
    INSERT INTO journal_transaction (transaction_id, lane, kind, posted_at)
    SELECT n, 0, 'correction', timestamptz '2026-07-01 00:00Z' + (n % 10000000) * interval '1 second'
    FROM generate_series($1::bigint + 1, $2::bigint) n
    RETURNING transaction_id
)
INSERT INTO entry (transaction_id, entry_no, account_id, amount_minor)
SELECT sale.transaction_id, part.entry_no, part.account_id, part.amount_minor
FROM sale
CROSS JOIN LATERAL (
    VALUES (1, 1 + sale.transaction_id % 10, 1750), (2, 11 + sale.transaction_id % 10, 250),
        (3, 21 + sale.transaction_id % 10, -250), (4, 31, -88), (5, 32 + sale.transaction_id % 200, -1662)
) part(entry_no, account_id, amount_minor)

-- name: plain_balances
SELECT account.party, account.party_name, account.purpose, account.currency, posted.balance_minor, posted.entries
FROM (
    SELECT entry.account_id, sum(entry.amount_minor)::bigint AS balance_minor, count(*)::bigint AS entries
    FROM entry
    GROUP BY entry.account_id
) posted
JOIN account ON account.account_id = posted.account_id
ORDER BY account.currency, account.party, account.party_name, account.purpose

-- name: settle
VACUUM ANALYZE

-- name: without_books
-- The journal as it would be without the chain and without closed months.
DO $$
BEGIN
    DROP INDEX IF EXISTS journal_transaction_by_writing;
    ALTER TABLE journal_transaction ALTER COLUMN written_in SET DEFAULT 0;
    DROP TRIGGER IF EXISTS journal_period_open ON journal_transaction;
END $$

-- name: with_books
-- As the migration makes it.
DO $$
BEGIN
    CREATE INDEX journal_transaction_by_writing ON journal_transaction (written_in);
    ALTER TABLE journal_transaction ALTER COLUMN written_in SET DEFAULT journal_clock();
    CREATE TRIGGER journal_period_open AFTER INSERT ON journal_transaction
        REFERENCING NEW TABLE AS written
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_closed_period();
END $$

-- name: close_a_month
INSERT INTO period_change VALUES (1, timestamptz '2026-01-01 00:00Z', now(), 'bench', 'as it is in daily life')
