-- name: due_parts
-- Parts of referrers' rewards that have vested by now.
SELECT part.grant_id, part.part_no, part.amount - part.back AS amount_minor, campaign_grant.beneficiary,
    campaign_grant.currency
FROM campaign_part part
JOIN campaign_grant ON campaign_grant.grant_id = part.grant_id
WHERE part.vests_at <= $1::timestamptz AND part.vested_at IS NULL AND part.paid_ref IS NULL
ORDER BY part.vests_at, part.grant_id, part.part_no
LIMIT $2::int

-- name: set_vested
UPDATE campaign_part part
SET vested_at = $3::timestamptz
FROM unnest($1::bigint[], $2::smallint[]) due(grant_id, part_no)
WHERE part.grant_id = due.grant_id AND part.part_no = due.part_no
