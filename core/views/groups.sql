-- name: groups
-- Groups with how many seats are taken; those that go on first, then the latest.
SELECT buying_group.ref, buying_group.offer, buying_group.size::int AS size, buying_group.at_least::int AS at_least,
    count(group_seat.order_ref) FILTER (WHERE group_seat.state IN ('seated', 'bought'))::int AS taken,
    buying_group.opened_at, buying_group.ends_at, buying_group.ended_at,
    coalesce(buying_group.outcome, 'open') AS state, buying_group.why
FROM buying_group
LEFT JOIN group_seat ON group_seat.group_id = buying_group.group_id
WHERE ($1::text IS NULL OR buying_group.offer = $1::text)
    AND ($2::text IS NULL OR buying_group.ref = $2::text)
    AND (NOT $3::boolean OR buying_group.outcome IS NULL)
GROUP BY buying_group.group_id
ORDER BY buying_group.outcome IS NULL DESC, buying_group.opened_at DESC, buying_group.group_id DESC
LIMIT $4::int

-- name: group_members
-- Whoever sat in a group, with what became of his order.
SELECT group_seat.seat_no::int AS seat_no, group_seat.state, channel.name AS channel, group_seat.order_ref,
    order_now.order_id, order_now.state AS order_state, buyer.name AS buyer,
    group_seat.pieces, group_seat.told_at, group_seat.moved_at, group_seat.why
FROM buying_group
JOIN group_seat ON group_seat.group_id = buying_group.group_id
JOIN channel ON channel.channel_id = group_seat.channel_id
JOIN order_now ON order_now.channel_id = group_seat.channel_id
    AND order_now.order_ref = group_seat.order_ref
LEFT JOIN buyer ON buyer.buyer_id = group_seat.buyer_id
WHERE buying_group.ref = $1::text
ORDER BY group_seat.told_at, group_seat.channel_id, group_seat.order_ref
