-- name: add_grants
-- Numbered in the order in which they are told.
INSERT INTO campaign_grant (
    name, version_id, order_id, reward, buyer_id, party, beneficiary, pays, amount_minor, currency, points,
    base_minor, eligible_minor, line_nos, outcome_no, on_refund, warning, granted_at
)
SELECT told.name, told.version_id, told.order_id, told.reward, told.buyer_id, told.party, told.beneficiary, told.pays,
    told.amount_minor, told.currency, told.points, told.base_minor, told.eligible_minor, told.line_nos::smallint[],
    told.outcome_no, told.on_refund, told.warning, $18::timestamptz
FROM unnest($1::text[], $2::int[], $3::bigint[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[],
    $9::bigint[], $10::text[], $11::bigint[], $12::bigint[], $13::bigint[], $14::text[], $15::smallint[], $16::text[],
    $17::text[]) WITH ORDINALITY
    told(name, version_id, order_id, reward, buyer_id, party, beneficiary, pays, amount_minor, currency, points,
        base_minor, eligible_minor, line_nos, outcome_no, on_refund, warning, n)
ORDER BY told.n
RETURNING grant_id, name, order_id, reward

-- name: add_parts
INSERT INTO campaign_part (grant_id, part_no, amount, vests_at, vested_at, paid_ref)
SELECT told.grant_id, told.part_no, told.amount, told.vests_at, told.vested_at, told.paid_ref
FROM unnest($1::bigint[], $2::smallint[], $3::bigint[], $4::timestamptz[], $5::timestamptz[], $6::text[])
    told(grant_id, part_no, amount, vests_at, vested_at, paid_ref)

-- name: add_refusals
INSERT INTO campaign_refusal (name, version_id, order_id, reward, code, reason, refused_at)
SELECT told.name, told.version_id, told.order_id, told.reward, told.code, told.reason, $7::timestamptz
FROM unnest($1::text[], $2::int[], $3::bigint[], $4::text[], $5::text[], $6::text[])
    told(name, version_id, order_id, reward, code, reason)
