-- name: find_accounts
SELECT account.account_id, account.party, account.party_name, account.purpose, account.currency
FROM account
JOIN unnest($1::text[], $2::text[], $3::text[], $4::text[]) asked(party, party_name, purpose, currency)
    ON asked.party = account.party
    AND asked.party_name = account.party_name
    AND asked.purpose = account.purpose
    AND asked.currency = account.currency

-- name: add_accounts
-- In the order of their names, so that two who add the same wait for each other instead of locking up.
INSERT INTO account (party, party_name, purpose, currency)
SELECT asked.party, asked.party_name, asked.purpose, asked.currency
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) asked(party, party_name, purpose, currency)
WHERE NOT EXISTS (
    SELECT FROM account
    WHERE account.party = asked.party
        AND account.party_name = asked.party_name
        AND account.purpose = asked.purpose
        AND account.currency = asked.currency
)
ORDER BY asked.party, asked.party_name, asked.purpose, asked.currency
ON CONFLICT ON CONSTRAINT account_once DO NOTHING

-- name: add_transactions
INSERT INTO journal_transaction (transaction_id, lane, kind, posted_at)
SELECT told.transaction_id, 0, told.kind, $3::timestamptz
FROM unnest($1::bigint[], $2::text[]) told(transaction_id, kind)

-- name: add_entries
INSERT INTO entry (transaction_id, entry_no, account_id, amount_minor)
SELECT told.transaction_id, told.entry_no, told.account_id, told.amount_minor
FROM unnest($1::bigint[], $2::smallint[], $3::int[], $4::bigint[])
    told(transaction_id, entry_no, account_id, amount_minor)
