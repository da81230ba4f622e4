-- name: claims_of_names
-- What these names of a person owe us now, by name; of one currency, if $2 says so.
SELECT claim.buyer_id, buyer.name AS buyer, claim.currency, sum(claim.amount_minor)::bigint AS owed_minor
FROM wallet_claim claim
JOIN buyer ON buyer.buyer_id = claim.buyer_id
WHERE claim.buyer_id = ANY ($1::bigint[]) AND ($2::text IS NULL OR claim.currency = $2::text)
GROUP BY claim.buyer_id, buyer.name, claim.currency
HAVING sum(claim.amount_minor) > 0
ORDER BY claim.buyer_id, claim.currency

-- name: end_claims
INSERT INTO wallet_claim (buyer_id, currency, amount_minor, transaction_id, at)
SELECT told.buyer_id, told.currency, -told.owed_minor, told.transaction_id, $5::timestamptz
FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[]) WITH ORDINALITY
    told(buyer_id, currency, owed_minor, transaction_id, n)
ORDER BY told.n
