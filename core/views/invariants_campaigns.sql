-- What campaigns never show in a healthy database; same shape as invariants.sql.

-- name: campaigns_apart
-- What a campaign has spent is what was granted less what came back, in all and day by day; parts are the whole grant,
-- and nothing was both given and refused.
WITH given AS (
    SELECT campaign_grant.grant_id, campaign_grant.name, campaign_grant.amount_minor,
        coalesce(campaign_grant.points, campaign_grant.amount_minor) AS units, (
            SELECT coalesce(sum(back.amount_minor), 0)
            FROM campaign_grant_back back
            WHERE back.grant_id = campaign_grant.grant_id
        ) AS back_minor
    FROM campaign_grant
),
sums AS (
    SELECT campaign.name, campaign.spent_minor, coalesce(sum(given.amount_minor), 0) AS given_minor,
        coalesce(sum(given.back_minor), 0) AS back_minor
    FROM campaign
    LEFT JOIN given ON given.name = campaign.name
    GROUP BY campaign.name
),
days AS (
    SELECT name, sum(granted_minor) AS given_minor, sum(returned_minor) AS back_minor
    FROM campaign_spend
    GROUP BY name
),
parts AS (
    SELECT grant_id, sum(amount) AS units FROM campaign_part GROUP BY grant_id
),
wrong AS (
    SELECT format('campaign %s is kept as having spent %s, and gave %s of which %s came back', sums.name,
        sums.spent_minor, sums.given_minor, sums.back_minor) AS what
    FROM sums
    LEFT JOIN days ON days.name = sums.name
    WHERE sums.spent_minor <> sums.given_minor - sums.back_minor
        OR sums.given_minor <> coalesce(days.given_minor, 0)
        OR sums.back_minor <> coalesce(days.back_minor, 0)
    UNION ALL
    SELECT format('grant %s of campaign %s is of %s, and its parts of %s', given.grant_id, given.name, given.units,
        coalesce(parts.units, 0))
    FROM given
    LEFT JOIN parts ON parts.grant_id = given.grant_id
    WHERE given.units <> coalesce(parts.units, 0)
    UNION ALL
    SELECT format('campaign %s gave order %s its %s and refused it, too', refusal.name, refusal.order_id, refusal.reward)
    FROM campaign_refusal refusal
    JOIN campaign_grant ON campaign_grant.name = refusal.name
        AND campaign_grant.order_id = refusal.order_id
        AND campaign_grant.reward = refusal.reward
)
SELECT count(*) OVER () AS total, what FROM wrong LIMIT 20

-- name: rewards_apart
-- What was given in money or points is a lot of the same size, to the same buyer, at the campaign's cost.
WITH wrong AS (
    SELECT format('part %s of grant %s is of %s, and lot %s of %s', part.part_no, part.grant_id, part.amount,
        part.paid_ref, coalesce(lot.units, 0)) AS what
    FROM campaign_part part
    JOIN campaign_grant ON campaign_grant.grant_id = part.grant_id
    LEFT JOIN wallet_lot lot ON lot.lot_id = part.paid_ref::bigint
    WHERE (campaign_grant.pays = 'wallet' OR campaign_grant.pays LIKE 'points:%')
        AND (
            lot.units IS DISTINCT FROM part.amount
            OR lot.buyer_id <> campaign_grant.buyer_id
            OR (lot.cost_party, lot.cost_name, lot.cost_purpose) <> ('operator', campaign_grant.name, 'rebate')
        )
)
SELECT count(*) OVER () AS total, what FROM wrong LIMIT 20
