-- name: channels
-- Every channel with who drives it and how much there is to do.
SELECT channel.name, channel.connector, channel.currency, channel.paused_at, channel.paused_reason,
    CASE WHEN lease.expires_at > $1::timestamptz THEN lease.holder END AS driven_by,
    lease.expires_at AS lease_until,
    coalesce(open.orders, 0)::bigint AS open_orders, open.oldest_due_at,
    offers.listings, offers.dirty, offers.refused, offers.drifts, offers.last_published_at, offers.last_observed_at
FROM channel
LEFT JOIN lease ON lease.channel_id = channel.channel_id
LEFT JOIN (
    SELECT open_order.channel_id, count(*) AS orders, min(open_order.due_at) AS oldest_due_at
    FROM open_order
    GROUP BY open_order.channel_id
) open ON open.channel_id = channel.channel_id
CROSS JOIN LATERAL (
    SELECT count(*)::bigint AS listings,
        count(*) FILTER (WHERE offer.dirty_version > offer.acked_version)::bigint AS dirty,
        count(*) FILTER (WHERE offer.refusal IS NOT NULL)::bigint AS refused,
        coalesce(sum(offer.drifts), 0)::bigint AS drifts,
        max(offer.published_at) AS last_published_at,
        max(offer.observed_at) AS last_observed_at
    FROM listing
    LEFT JOIN offer ON offer.listing_id = listing.listing_id
    WHERE listing.channel_id = channel.channel_id
) offers
ORDER BY channel.name

-- name: health
SELECT channel.name, channel_health.subject, channel_health.ok, channel_health.detail, channel_health.changed_at,
    channel_health.seen_at
FROM channel_health
JOIN channel ON channel.channel_id = channel_health.channel_id
ORDER BY channel.name, channel_health.subject

-- name: cursors
-- When each channel was last read; the cursors of our own work are no news to people.
SELECT channel.name, channel_cursor.subject, channel_cursor.moved_at
FROM channel_cursor
JOIN channel ON channel.channel_id = channel_cursor.channel_id
WHERE channel_cursor.subject IN ('orders', 'payouts')
ORDER BY channel.name, channel_cursor.subject
