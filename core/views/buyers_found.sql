-- Buyers as people look for them, and what was found of those who would be paid for themselves.

-- name: found
-- Names that hold a text, those that became known last first; each with the person whom it stands for.
SELECT buyer.buyer_id, buyer.name, buyer.known_since, person.buyer_id AS person_id, person.name AS person
FROM buyer
JOIN buyer person ON person.buyer_id = person_of(buyer.buyer_id)
WHERE $1::text IS NULL OR strpos(lower(buyer.name), lower($1::text)) > 0
ORDER BY buyer.buyer_id DESC
LIMIT $2::int

-- name: refused_rings
-- Rewards that referrers did not get since they would have been paid for themselves, among each campaign's last $1
-- refusals: those stand in the order of an index.
SELECT refused.name AS campaign, refused.order_id, channel_order.order_ref, channel.name AS channel, buyer.name AS buyer,
    refused.reason, refused.refused_at
FROM campaign
CROSS JOIN LATERAL (
    SELECT campaign_refusal.name, campaign_refusal.order_id, campaign_refusal.code, campaign_refusal.reason,
        campaign_refusal.refused_at
    FROM campaign_refusal
    WHERE campaign_refusal.name = campaign.name
    ORDER BY campaign_refusal.refused_at DESC
    LIMIT $1::int
) refused
JOIN channel_order ON channel_order.order_id = refused.order_id
JOIN channel ON channel.channel_id = channel_order.channel_id
LEFT JOIN buyer_handle ON buyer_handle.channel_id = channel_order.channel_id
    AND buyer_handle.buyer_ref = channel_order.buyer_ref
LEFT JOIN buyer ON buyer.buyer_id = buyer_handle.buyer_id
WHERE refused.code = 'own_ring'
ORDER BY refused.refused_at DESC, refused.order_id DESC
LIMIT $2::int

-- name: refused_referrals
-- What was told last of who brought whom and was not taken.
SELECT buyer.name AS buyer, refusal.referrer, refusal.reason, refusal.source, refusal.actor, refusal.told_at
FROM referral_refusal refusal
JOIN buyer ON buyer.buyer_id = refusal.buyer_id
ORDER BY refusal.refusal_no DESC
LIMIT $1::int

-- name: order_ids
-- The newest orders of a person under all his names, whatever became of them.
SELECT channel_order.order_id
FROM names_of(person_of($1::bigint)) name
JOIN buyer_handle ON buyer_handle.buyer_id = name.buyer_id
JOIN channel_order ON channel_order.channel_id = buyer_handle.channel_id
    AND channel_order.buyer_ref = buyer_handle.buyer_ref
ORDER BY channel_order.order_id DESC
LIMIT $2::int
