-- What groups that buy together never show in a healthy database; same shape as invariants.sql.

-- name: groups_apart
-- No group has more buyers than seats or keeps somebody waiting after its end, and nobody whose money was to go back
-- has codes.
WITH seat AS (
    SELECT group_seat.group_id, group_seat.state, group_seat.order_ref, order_now.state AS order_state
    FROM group_seat
    JOIN order_now ON order_now.channel_id = group_seat.channel_id
        AND order_now.order_ref = group_seat.order_ref
),
wrong AS (
    SELECT format('group %s has %s buyers on %s seats', buying_group.ref, count(*), buying_group.size) AS what
    FROM buying_group
    JOIN seat ON seat.group_id = buying_group.group_id AND seat.state IN ('seated', 'bought')
    GROUP BY buying_group.group_id
    HAVING count(*) > buying_group.size
    UNION ALL
    SELECT format('group %s has ended (%s), and order %s still has a seat in it', buying_group.ref,
        buying_group.outcome, seat.order_ref)
    FROM buying_group
    JOIN seat ON seat.group_id = buying_group.group_id AND seat.state = 'seated'
    WHERE buying_group.outcome IS NOT NULL
    UNION ALL
    SELECT format('order %s is %s, though its place in a group is %s', seat.order_ref, seat.order_state, seat.state)
    FROM seat
    WHERE seat.state IN ('failed', 'refused') AND seat.order_state IN ('delivered', 'delivering', 'unsure')
)
SELECT count(*) OVER () AS total, wrong.what
FROM wrong
LIMIT 20
