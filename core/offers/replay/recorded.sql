-- What really happened in the last days, to be lived through again.

-- name: listings
-- Of channels that are not forgotten, whether they are switched on or not: a policy may switch them on.
SELECT listing.listing_id, listing.channel_id, listing.sku_id, listing.listing_ref, channel.name AS channel
FROM listing
JOIN channel ON channel.channel_id = listing.channel_id
WHERE channel.name = ANY ($1::text[])
ORDER BY listing.listing_id

-- name: sales
-- What buyers asked for, refused or not, in the order in which it came.
SELECT order_line.listing_id, order_line.sku_id, order_line.quantity, channel_order.channel_id,
    extract(epoch FROM channel_order.created_at - $1::timestamptz)::float8 AS at,
    channel_order.first_state IN ('held', 'reserved', 'accepted') AS took_codes
FROM channel_order
JOIN order_line ON order_line.order_id = channel_order.order_id
WHERE channel_order.created_at >= $1::timestamptz
    AND channel_order.created_at < $2::timestamptz
    AND channel_order.first_state <> 'cancelled'
ORDER BY channel_order.created_at, order_line.order_id, order_line.line_no

-- name: imports
-- The codes of a batch stand on shelves of its SKU, at slots that follow each other; those that stand again at a
-- later slot came back, which departures tell.
SELECT batch.sku_id, count(*)::bigint AS quantity,
    greatest(extract(epoch FROM batch.created_at - $1::timestamptz), 0)::float8 AS at
FROM batch
JOIN shelf ON shelf.sku_id = batch.sku_id AND shelf.consignor_id = batch.consignor_id
JOIN code ON code.lane = shelf.lane
    AND code.shelf_id = shelf.shelf_id
    AND code.batch_id = batch.batch_id
    AND code.origin_slot IS NULL
WHERE batch.created_at >= $1::timestamptz AND batch.created_at < $2::timestamptz
GROUP BY batch.batch_id
ORDER BY batch.created_at

-- name: departures
-- Codes given back count as come again; withdrawn and quarantined ones that nobody had taken count as gone.
SELECT shelf.sku_id, departure.kind, count(*)::bigint AS quantity,
    extract(epoch FROM departure.departed_at - $1::timestamptz)::float8 AS at
FROM departure
JOIN shelf ON shelf.lane = departure.lane AND shelf.shelf_id = departure.shelf_id
LEFT JOIN allocation ON allocation.lane = departure.lane
    AND allocation.shelf_id = departure.shelf_id
    AND allocation.slot = departure.slot
WHERE departure.departed_at >= $1::timestamptz
    AND departure.departed_at < $2::timestamptz
    AND (departure.kind = 'released' OR allocation.slot IS NULL)
GROUP BY shelf.sku_id, departure.kind, departure.departed_at
ORDER BY departure.departed_at

-- name: sold_before
-- Units per second in the hours before.
SELECT sku_id, channel_id, (sum(units) / extract(epoch FROM $1::timestamptz - $2::timestamptz))::float8 AS per_second
FROM sale_hour
WHERE hour >= $2::timestamptz AND hour < $1::timestamptz
GROUP BY sku_id, channel_id

-- name: free_now
SELECT sku_id, greatest(sum(free) FILTER (WHERE expires_at > $1::timestamptz), 0)::bigint AS free
FROM stock_of_house()
GROUP BY sku_id
