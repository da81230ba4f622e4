-- name: find_account
SELECT account_id
FROM account
WHERE party = $1::text AND party_name = $2::text AND purpose = $3::text AND currency = $4::text

-- name: add_account
INSERT INTO account (party, party_name, purpose, currency)
VALUES ($1::text, $2::text, $3::text, $4::text)
ON CONFLICT ON CONSTRAINT account_once DO NOTHING

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
