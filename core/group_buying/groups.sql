-- name: note_seat
-- Before the order is taken in, so that no crash leaves one that nobody looks for. Told again it changes nothing.
INSERT INTO group_seat (channel_id, order_ref, offer, wanted_ref, pieces, told_at)
VALUES ($1::int, $2::text, $3::text, $4::text, $5::int, $6::timestamptz)
ON CONFLICT ON CONSTRAINT group_seat_key DO NOTHING

-- name: offers_at_work
-- Offers that have something to decide: a buyer without a seat, or a group that goes on.
SELECT offer FROM group_seat WHERE state = 'waiting'
UNION
SELECT offer FROM buying_group WHERE outcome IS NULL
ORDER BY offer

-- name: add_offer
INSERT INTO group_offer (name) VALUES ($1::text) ON CONFLICT ON CONSTRAINT group_offer_key DO NOTHING

-- name: take_offer
-- Whoever holds the row decides; who comes second has nothing to do.
SELECT name FROM group_offer WHERE name = $1::text FOR UPDATE SKIP LOCKED

-- name: wait_for_offer
SELECT name FROM group_offer WHERE name = $1::text FOR UPDATE

-- name: open_groups
SELECT group_id, ref, offer, size, at_least, opened_at, ends_at
FROM buying_group
WHERE offer = $1::text AND outcome IS NULL
ORDER BY opened_at, group_id

-- name: find_group
SELECT group_id, ref, offer, size, at_least, opened_at, ends_at, outcome
FROM buying_group
WHERE ref = $1::text

-- name: seats_of_groups
-- Who sits in groups, with what has become of each order.
SELECT group_seat.group_id, group_seat.channel_id, group_seat.order_ref, group_seat.seat_no, group_seat.buyer_id,
    order_now.order_id, order_now.state AS order_state
FROM group_seat
JOIN order_now ON order_now.channel_id = group_seat.channel_id
    AND order_now.order_ref = group_seat.order_ref
WHERE group_seat.group_id = ANY ($1::bigint[]) AND group_seat.state = 'seated'
ORDER BY group_seat.group_id, group_seat.seat_no

-- name: waiting_seats
-- Buyers without a seat, first come first; those whose order was not written yet are left out.
SELECT group_seat.channel_id, group_seat.order_ref, group_seat.wanted_ref, order_now.order_id,
    order_now.buyer_ref, order_now.state AS order_state, group_seat.pieces
FROM group_seat
JOIN order_now ON order_now.channel_id = group_seat.channel_id
    AND order_now.order_ref = group_seat.order_ref
WHERE group_seat.offer = $1::text
    AND group_seat.state = 'waiting'
    -- The others get their codes, or their payment, first.
    AND order_now.state NOT IN ('reserved', 'parked', 'released', 'refused')
ORDER BY group_seat.told_at, group_seat.channel_id, group_seat.order_ref
LIMIT $2::int

-- name: pieces_of_persons
-- What some buyers, who count as one, have of an offer; groups that failed and those they left count no more.
SELECT coalesce(sum(group_seat.pieces), 0)::int AS pieces
FROM group_seat
JOIN order_now ON order_now.channel_id = group_seat.channel_id
    AND order_now.order_ref = group_seat.order_ref
WHERE group_seat.offer = $1::text
    AND group_seat.buyer_id = ANY ($2::bigint[])
    AND group_seat.state IN ('seated', 'bought')
    AND order_now.state NOT IN ('cancelled', 'refunded')

-- name: is_known_ref
SELECT EXISTS (SELECT FROM buying_group WHERE ref = $1::text)

-- name: open_group
INSERT INTO buying_group (ref, offer, size, at_least, opened_at, ends_at)
VALUES ($1::text, $2::text, $3::smallint, $4::smallint, $5::timestamptz, $6::timestamptz)
RETURNING group_id

-- name: take_seat
UPDATE group_seat
SET state = 'seated', group_id = $3::bigint, seat_no = $4::smallint, buyer_id = $5::bigint,
    moved_at = $6::timestamptz
WHERE channel_id = $1::int AND order_ref = $2::text AND state = 'waiting'

-- name: move_seats
UPDATE group_seat
SET state = $3::text, moved_at = $4::timestamptz, why = $5::text
FROM unnest($1::int[], $2::text[]) moved(channel_id, order_ref)
WHERE group_seat.channel_id = moved.channel_id
    AND group_seat.order_ref = moved.order_ref
    AND group_seat.state IN ('waiting', 'seated')

-- name: leave_seat
UPDATE group_seat
SET state = CASE state WHEN 'seated' THEN 'left' ELSE 'over' END, moved_at = $3::timestamptz, why = $4::text
WHERE channel_id = $1::int AND order_ref = $2::text AND state IN ('waiting', 'seated')

-- name: end_group
UPDATE buying_group
SET ended_at = $2::timestamptz, outcome = $3::text, why = $4::text
WHERE group_id = $1::bigint AND outcome IS NULL
