-- What is given to buyers, as alerts measure it.
-- Each query answers with every subject there is, well or not: what is not answered is gone.

-- name: rewards_warned
-- Rewards that a guard let pass with a warning since $2 ago, and what it said of the last.
SELECT count(*) AS warned, (array_agg(
    'campaign ' || campaign_grant.name || ', order ' || campaign_grant.order_id || ': ' || campaign_grant.warning
    ORDER BY campaign_grant.grant_id DESC
))[1] AS why
FROM campaign
JOIN campaign_grant ON campaign_grant.name = campaign.name
    AND campaign_grant.granted_at > $1::timestamptz - $2::interval
    AND campaign_grant.warning <> ''
