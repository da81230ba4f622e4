-- name: standing
-- What the campaign has spent; and of all campaigns, less what came back: for this order, and to this person for orders
-- of his own. Fenced: from the person to his grants.
SELECT campaign.spent_minor, coalesce(campaign_spend.granted_minor, 0)::bigint AS today_minor, rewards.of_order_minor,
    rewards.of_buyer_minor
FROM campaign
LEFT JOIN campaign_spend ON campaign_spend.name = campaign.name AND campaign_spend.day = $2::date
CROSS JOIN LATERAL (
    SELECT
        coalesce(sum(given.left_minor) FILTER (WHERE given.order_id = $3::bigint), 0)::bigint AS of_order_minor,
        coalesce(sum(given.left_minor) FILTER (WHERE given.party = 'buyer'), 0)::bigint AS of_buyer_minor
    FROM (
        SELECT theirs.order_id, theirs.party, theirs.left_minor
        FROM names_of($4::bigint) name
        CROSS JOIN LATERAL (
            SELECT campaign_grant.order_id, campaign_grant.party, campaign_grant.amount_minor - (
                SELECT coalesce(sum(back.amount_minor), 0)
                FROM campaign_grant_back back
                WHERE back.grant_id = campaign_grant.grant_id
            ) AS left_minor
            FROM campaign_grant
            WHERE campaign_grant.buyer_id = name.buyer_id AND campaign_grant.currency = $5::text
            OFFSET 0
        ) theirs
    ) given
) rewards
WHERE campaign.name = $1::text

-- name: uses
SELECT asked.kind, coalesce(campaign_use.grants, 0) AS grants,
    coalesce(campaign_use.amount_minor, 0)::bigint AS amount_minor
FROM unnest($2::text[], $3::text[]) asked(kind, mark)
LEFT JOIN campaign_use ON campaign_use.name = $1::text
    AND campaign_use.kind = asked.kind
    AND campaign_use.mark = asked.mark
ORDER BY asked.kind, asked.mark

-- name: counted
SELECT taken_minor, turnover_minor, units
FROM campaign_counter
WHERE name = $1::text AND reward = $2::text AND beneficiary = $3::text AND period_start = $4::timestamptz

-- name: add_returned
-- On the day whose budget it was of.
WITH spent AS (
    UPDATE campaign SET spent_minor = spent_minor - $3::bigint WHERE name = $1::text
)
INSERT INTO campaign_spend (name, day, returned_minor)
VALUES ($1::text, $2::date, $3::bigint)
ON CONFLICT ON CONSTRAINT campaign_spend_key DO UPDATE
SET returned_minor = campaign_spend.returned_minor + excluded.returned_minor

-- name: add_granted
-- The budget, the day, and what each of the buyer's marks has had.
WITH spent AS (
    UPDATE campaign SET spent_minor = spent_minor + $5::bigint WHERE name = $1::text
),
of_day AS (
    INSERT INTO campaign_spend (name, day, granted_minor, grants)
    VALUES ($1::text, $2::date, $5::bigint, 1)
    ON CONFLICT ON CONSTRAINT campaign_spend_key DO UPDATE
    SET granted_minor = campaign_spend.granted_minor + excluded.granted_minor,
        grants = campaign_spend.grants + 1
)
INSERT INTO campaign_use (name, kind, mark, grants, amount_minor)
SELECT $1::text, used.kind, used.mark, 1, $5::bigint
FROM unnest($3::text[], $4::text[]) used(kind, mark)
ORDER BY used.kind, used.mark
ON CONFLICT ON CONSTRAINT campaign_use_key DO UPDATE
SET grants = campaign_use.grants + 1, amount_minor = campaign_use.amount_minor + excluded.amount_minor

-- name: add_counter
INSERT INTO campaign_counter (name, reward, beneficiary, period_start, taken_minor, turnover_minor, units)
VALUES ($1::text, $2::text, $3::text, $4::timestamptz, $5::bigint, $6::bigint, $7::bigint)
ON CONFLICT ON CONSTRAINT campaign_counter_key DO UPDATE
SET taken_minor = campaign_counter.taken_minor + excluded.taken_minor,
    turnover_minor = campaign_counter.turnover_minor + excluded.turnover_minor,
    units = campaign_counter.units + excluded.units

-- name: add_counted
INSERT INTO campaign_counted (
    order_id, name, reward, beneficiary, period_start, turnover_minor, eligible_minor, line_nos
)
VALUES (
    $1::bigint, $2::text, $3::text, $4::text, $5::timestamptz, $6::bigint, $7::bigint, $8::smallint[]
)
