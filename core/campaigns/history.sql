-- name: spent
SELECT name, spent_minor FROM campaign WHERE name = ANY ($1::text[])

-- name: spent_on
SELECT spend.name, spend.day, spend.granted_minor
FROM unnest($1::text[], $2::date[]) asked(name, day)
JOIN campaign_spend spend ON spend.name = asked.name AND spend.day = asked.day

-- name: of_orders
-- Rewards of all campaigns for these orders, less what came back.
SELECT given.order_id, given.currency, sum(given.amount_minor - coalesce(back.amount_minor, 0))::bigint AS left_minor
FROM campaign_grant given
LEFT JOIN LATERAL (
    SELECT sum(amount_minor) AS amount_minor FROM campaign_grant_back WHERE grant_id = given.grant_id
) back ON true
WHERE given.order_id = ANY ($1::bigint[])
GROUP BY given.order_id, given.currency

-- name: of_people
-- Rewards of all campaigns to these people for orders of their own, less what came back. Fenced: from the person to his
-- grants, never the other way.
SELECT asked.person_id, asked.currency, given.left_minor
FROM unnest($1::bigint[], $2::text[]) asked(person_id, currency)
CROSS JOIN LATERAL (
    SELECT coalesce(sum(theirs.left_minor), 0)::bigint AS left_minor
    FROM names_of(asked.person_id) name
    CROSS JOIN LATERAL (
        SELECT campaign_grant.amount_minor - (
            SELECT coalesce(sum(back.amount_minor), 0)
            FROM campaign_grant_back back
            WHERE back.grant_id = campaign_grant.grant_id
        ) AS left_minor
        FROM campaign_grant
        WHERE campaign_grant.buyer_id = name.buyer_id
            AND campaign_grant.currency = asked.currency
            AND campaign_grant.party = 'buyer'
        OFFSET 0
    ) theirs
) given

-- name: uses
SELECT campaign_use.name, campaign_use.kind, campaign_use.mark, campaign_use.grants, campaign_use.amount_minor
FROM unnest($1::text[], $2::text[], $3::text[]) asked(name, kind, mark)
JOIN campaign_use ON campaign_use.name = asked.name
    AND campaign_use.kind = asked.kind
    AND campaign_use.mark = asked.mark

-- name: counted
SELECT counter.name, counter.reward, counter.beneficiary, counter.period_start, counter.taken_minor,
    counter.turnover_minor, counter.units
FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) asked(name, reward, beneficiary, period_start)
JOIN campaign_counter counter ON counter.name = asked.name
    AND counter.reward = asked.reward
    AND counter.beneficiary = asked.beneficiary
    AND counter.period_start = asked.period_start

-- name: add_returned
-- On the day whose budget it was of.
WITH spent AS (
    UPDATE campaign SET spent_minor = spent_minor - $3::bigint WHERE name = $1::text
)
INSERT INTO campaign_spend (name, day, returned_minor)
VALUES ($1::text, $2::date, $3::bigint)
ON CONFLICT ON CONSTRAINT campaign_spend_key DO UPDATE
SET returned_minor = campaign_spend.returned_minor + excluded.returned_minor

-- name: add_spent
UPDATE campaign
SET spent_minor = campaign.spent_minor + told.amount_minor
FROM unnest($1::text[], $2::bigint[]) told(name, amount_minor)
WHERE campaign.name = told.name

-- name: add_days
INSERT INTO campaign_spend (name, day, granted_minor, grants)
SELECT told.name, told.day, told.amount_minor, told.grants
FROM unnest($1::text[], $2::date[], $3::bigint[], $4::int[]) told(name, day, amount_minor, grants)
ON CONFLICT ON CONSTRAINT campaign_spend_key DO UPDATE
SET granted_minor = campaign_spend.granted_minor + excluded.granted_minor,
    grants = campaign_spend.grants + excluded.grants

-- name: add_uses
-- What each of the buyers' marks has had.
INSERT INTO campaign_use (name, kind, mark, grants, amount_minor)
SELECT told.name, told.kind, told.mark, told.grants, told.amount_minor
FROM unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::bigint[]) told(name, kind, mark, grants, amount_minor)
ON CONFLICT ON CONSTRAINT campaign_use_key DO UPDATE
SET grants = campaign_use.grants + excluded.grants,
    amount_minor = campaign_use.amount_minor + excluded.amount_minor

-- name: add_counters
INSERT INTO campaign_counter (name, reward, beneficiary, period_start, taken_minor, turnover_minor, units)
SELECT told.name, told.reward, told.beneficiary, told.period_start, told.taken_minor, told.turnover_minor, told.units
FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::bigint[], $6::bigint[], $7::bigint[])
    told(name, reward, beneficiary, period_start, taken_minor, turnover_minor, units)
ON CONFLICT ON CONSTRAINT campaign_counter_key DO UPDATE
SET taken_minor = campaign_counter.taken_minor + excluded.taken_minor,
    turnover_minor = campaign_counter.turnover_minor + excluded.turnover_minor,
    units = campaign_counter.units + excluded.units

-- name: add_counted
INSERT INTO campaign_counted (
    order_id, name, reward, beneficiary, period_start, turnover_minor, eligible_minor, line_nos
)
SELECT told.order_id, told.name, told.reward, told.beneficiary, told.period_start, told.turnover_minor,
    told.eligible_minor, told.line_nos::smallint[]
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::bigint[], $7::bigint[],
    $8::text[])
    told(order_id, name, reward, beneficiary, period_start, turnover_minor, eligible_minor, line_nos)
