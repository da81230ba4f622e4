-- name: latest_plans
SELECT DISTINCT ON (split_plan.name) split_plan.name, split_plan.plan_id, split_plan.version, split_plan.rules
FROM split_plan
WHERE split_plan.name = ANY ($1::text[])
ORDER BY split_plan.name, split_plan.version DESC
