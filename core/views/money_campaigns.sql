-- Campaigns beside their budgets, and what each gave and refused lately.

-- name: campaigns
-- Every campaign, or $1 alone, with its latest version; $2: now. Those that run come first, then those to come.
SELECT campaign.name, campaign.currency, campaign.budget_minor, campaign.spent_minor, latest.version,
    latest.starts_at, latest.ends_at, latest.published_at, latest.actor AS published_by, campaign_stop.stopped_at,
    campaign_stop.actor AS stopped_by, campaign_stop.reason AS stopped_why,
    (latest.content #>> '{budget,per_day_minor}')::bigint AS day_budget_minor,
    coalesce(today.granted_minor, 0)::bigint AS day_granted_minor, coalesce(given.grants, 0)::bigint AS grants,
    coalesce(given.granted_minor, 0)::bigint AS granted_minor,
    coalesce(given.returned_minor, 0)::bigint AS returned_minor,
    (SELECT count(*) FROM campaign_refusal WHERE campaign_refusal.name = campaign.name) AS refusals
FROM campaign
JOIN LATERAL (
    SELECT version, starts_at, ends_at, published_at, actor, content
    FROM campaign_version
    WHERE campaign_version.name = campaign.name
    ORDER BY version DESC
    LIMIT 1
) latest ON true
LEFT JOIN campaign_stop ON campaign_stop.name = campaign.name
LEFT JOIN campaign_spend today ON today.name = campaign.name
    AND today.day = ($2::timestamptz AT TIME ZONE 'UTC')::date
LEFT JOIN LATERAL (
    SELECT sum(grants) AS grants, sum(granted_minor) AS granted_minor, sum(returned_minor) AS returned_minor
    FROM campaign_spend
    WHERE campaign_spend.name = campaign.name
) given ON true
WHERE $1::text IS NULL OR campaign.name = $1::text
ORDER BY campaign_stop.stopped_at IS NOT NULL OR latest.ends_at <= $2::timestamptz, latest.starts_at > $2::timestamptz,
    latest.ends_at DESC, campaign.name
LIMIT 500

-- name: grants
SELECT campaign_grant.grant_id, campaign_grant.order_id, channel_order.order_ref, channel.name AS channel,
    campaign_grant.reward, campaign_grant.party, campaign_grant.beneficiary, campaign_grant.pays,
    campaign_grant.amount_minor, campaign_grant.currency, campaign_grant.points, campaign_grant.warning,
    campaign_grant.granted_at, coalesce(taken.amount_minor, 0)::bigint AS back_minor
FROM campaign_grant
LEFT JOIN channel_order ON channel_order.order_id = campaign_grant.order_id
LEFT JOIN channel ON channel.channel_id = channel_order.channel_id
LEFT JOIN LATERAL (
    SELECT sum(amount_minor) AS amount_minor
    FROM campaign_grant_back
    WHERE campaign_grant_back.grant_id = campaign_grant.grant_id
) taken ON true
WHERE campaign_grant.name = $1::text
ORDER BY campaign_grant.granted_at DESC, campaign_grant.grant_id DESC
LIMIT $2::int

-- name: refusals
SELECT campaign_refusal.order_id, channel_order.order_ref, channel.name AS channel, campaign_refusal.reward,
    campaign_refusal.code, campaign_refusal.reason, campaign_refusal.refused_at
FROM campaign_refusal
LEFT JOIN channel_order ON channel_order.order_id = campaign_refusal.order_id
LEFT JOIN channel ON channel.channel_id = channel_order.channel_id
WHERE campaign_refusal.name = $1::text
ORDER BY campaign_refusal.refused_at DESC, campaign_refusal.order_id DESC
LIMIT $2::int

-- name: refusal_sums
-- Why rewards were refused, the commonest reason first.
SELECT code, count(*) AS refusals
FROM campaign_refusal
WHERE name = $1::text
GROUP BY code
ORDER BY refusals DESC, code

-- name: late
-- What failed about orders and is tried again, longest first: of all ($1 null), or of those that have rewards of campaign
-- $1 and of those of which nothing is decided yet.
SELECT late.order_id, channel_order.order_ref, channel.name AS channel, late.work, late.error, late.tries,
    late.failed_at, late.next_at
FROM campaign_late late
JOIN channel_order ON channel_order.order_id = late.order_id
JOIN channel ON channel.channel_id = channel_order.channel_id
WHERE $1::text IS NULL
    OR late.work = 'give'
    OR EXISTS (
        SELECT FROM campaign_grant
        WHERE campaign_grant.order_id = late.order_id AND campaign_grant.name = $1::text
    )
ORDER BY late.failed_at, late.order_id, late.work
LIMIT $2::int
