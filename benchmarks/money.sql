-- Looks at what is owed the plain way.

-- name: plain_owed
SELECT account.party, account.party_name, account.currency, -sum(entry.amount_minor) AS owed_minor, count(*) AS entries
FROM entry
JOIN account ON account.account_id = entry.account_id
WHERE account.purpose = 'payable'
GROUP BY account.party, account.party_name, account.currency
