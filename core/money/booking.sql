-- name: add_transactions
INSERT INTO journal_transaction (transaction_id, lane, kind, posted_at)
SELECT told.transaction_id, 0, told.kind, $3::timestamptz
FROM unnest($1::bigint[], $2::text[]) told(transaction_id, kind)

-- name: add_entries
INSERT INTO entry (transaction_id, entry_no, account_id, amount_minor)
SELECT told.transaction_id, told.entry_no, told.account_id, told.amount_minor
FROM unnest($1::bigint[], $2::smallint[], $3::int[], $4::bigint[])
    told(transaction_id, entry_no, account_id, amount_minor)
