-- name: order_moments
SELECT channel_order.placed_at, min(sale.posted_at) AS delivered_at, min(sale.written_in) AS written_in
FROM channel_order
LEFT JOIN journal_transaction sale ON sale.order_id = channel_order.order_id AND sale.kind = 'sale'
WHERE channel_order.order_id = $1::bigint
GROUP BY channel_order.placed_at

-- name: grants
SELECT campaign_grant.name, campaign_version.version, campaign_grant.reward, campaign_grant.party,
    campaign_grant.beneficiary, campaign_grant.pays, campaign_grant.amount_minor, campaign_grant.currency,
    campaign_grant.points, campaign_grant.base_minor, campaign_grant.outcome_no, campaign_grant.warning,
    campaign_grant.granted_at, campaign_grant.grant_id, (
        SELECT coalesce(sum(back.amount_minor), 0)
        FROM campaign_grant_back back
        WHERE back.grant_id = campaign_grant.grant_id
    )::bigint AS back_minor
FROM campaign_grant
JOIN campaign_version ON campaign_version.version_id = campaign_grant.version_id
WHERE campaign_grant.order_id = $1::bigint
ORDER BY campaign_grant.grant_id

-- name: parts
SELECT grant_id, part_no, amount, back, vests_at
FROM campaign_part
WHERE grant_id = ANY ($1::bigint[])
ORDER BY grant_id, part_no

-- name: refusals
SELECT campaign_refusal.name, campaign_version.version, campaign_refusal.reward, campaign_refusal.code,
    campaign_refusal.reason, campaign_refusal.refused_at
FROM campaign_refusal
JOIN campaign_version ON campaign_version.version_id = campaign_refusal.version_id
WHERE campaign_refusal.order_id = $1::bigint
ORDER BY campaign_refusal.name, campaign_refusal.reward

-- name: drawn_versions
SELECT campaign_version.version_id, campaign_version.version, campaign_version.content, campaign_version.ends_at,
    campaign_version.seed_hash, campaign_seed.key_id, campaign_seed.wrapped, campaign_stop.stopped_at
FROM campaign_version
JOIN campaign_seed ON campaign_seed.version_id = campaign_version.version_id
LEFT JOIN campaign_stop ON campaign_stop.name = campaign_version.name
WHERE campaign_version.name = $1::text
ORDER BY campaign_version.version

-- name: newest_end
SELECT max(ends_at) FROM campaign_version WHERE name = $1::text

-- name: draws
SELECT channel.name AS channel, channel_order.order_ref, campaign_grant.reward, campaign_grant.outcome_no
FROM campaign_grant
JOIN channel_order ON channel_order.order_id = campaign_grant.order_id
JOIN channel ON channel.channel_id = channel_order.channel_id
WHERE campaign_grant.version_id = $1::int AND campaign_grant.outcome_no IS NOT NULL
ORDER BY campaign_grant.grant_id
