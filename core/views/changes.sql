-- name: marks
-- A mark for each part of the picture, which differs once the part has changed. Everything asked here is small
-- or stands at the end of an index. The server's own count of written rows finds the rest, a little later.
SELECT
    concat_ws('/',
        (SELECT max(channel_order.order_id) FROM channel_order),
        work.orders, work.ids, work.due_at, work.failures,
        (SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'order_move')
    ) AS orders,
    concat_ws('/',
        offers.dirty, offers.acked, offers.wanted_at, offers.published_at, offers.observed_at, offers.listings,
        offers.refusals,
        (SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'code'),
        (SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'allocation'),
        (SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'departure')
    ) AS stock,
    concat_ws('/',
        (SELECT concat_ws('/', count(*), count(*) FILTER (WHERE channel_health.ok), max(channel_health.changed_at))
            FROM channel_health),
        (SELECT concat_ws('/', count(*), count(channel.paused_at), max(channel.paused_at)) FROM channel),
        (SELECT concat_ws('/', count(*), sum(lease.epoch)) FROM lease),
        (SELECT max(switch_event.event_id) FROM switch_event),
        (SELECT concat_ws('/', n_tup_ins, n_tup_upd) FROM pg_stat_user_tables WHERE relname = 'guard_trip'),
        (SELECT concat_ws('/', n_tup_ins, n_tup_upd) FROM pg_stat_user_tables WHERE relname = 'drift')
    ) AS channels,
    concat_ws('/',
        (SELECT max(incident.incident_id) FROM incident),
        (SELECT concat_ws('/', count(*), count(incident.acknowledged_at), sum(incident.last_value))
            FROM incident WHERE incident.closed_at IS NULL),
        (SELECT concat_ws('/', n_tup_ins, n_tup_upd) FROM pg_stat_user_tables WHERE relname = 'alert_message')
    ) AS alerts,
    concat_ws('/',
        (SELECT concat_ws('/', n_tup_ins, n_tup_upd) FROM pg_stat_user_tables WHERE relname = 'price_hold'),
        (SELECT concat_ws('/', n_tup_ins, n_tup_upd) FROM pg_stat_user_tables WHERE relname = 'price_exception'),
        (SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'price_change'),
        (SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'rate')
    ) AS prices,
    (SELECT string_agg(concat_ws('/', n_tup_ins, n_tup_upd), ' ' ORDER BY relname) FROM pg_stat_user_tables
        WHERE relname IN ('coupon', 'coupon_series', 'coupon_use', 'coupon_revocation')) AS coupons,
    (SELECT string_agg(concat_ws('/', n_tup_ins, n_tup_upd), ' ' ORDER BY relname) FROM pg_stat_user_tables
        WHERE relname IN ('buying_group', 'group_seat', 'refund_due', 'flash_claim')) AS groups,
    (SELECT sum(n_tup_ins) FROM pg_stat_user_tables
        WHERE relname IN ('buyer', 'buyer_join', 'buyer_list', 'referral', 'referral_refusal', 'segment', 'wallet_lot',
            'wallet_use', 'campaign_refusal')) AS buyers,
    concat_ws('/',
        (SELECT max(journal_transaction.transaction_id) FROM journal_transaction),
        (SELECT sum(n_tup_ins) FROM pg_stat_user_tables
            WHERE relname IN ('entry', 'payout_line', 'discrepancy_event', 'settlement_move', 'settlement_approval',
                'campaign_grant', 'campaign_refusal'))
    ) AS money
FROM (
    SELECT count(*) AS orders, sum(open_order.order_id) AS ids, max(open_order.due_at) AS due_at,
        sum(open_order.failures) AS failures
    FROM open_order
) work
CROSS JOIN (
    SELECT count(*) AS listings, sum(offer.dirty_version) AS dirty, sum(offer.acked_version) AS acked,
        max(offer.wanted_at) AS wanted_at, max(offer.published_at) AS published_at,
        max(offer.observed_at) AS observed_at, count(offer.refusal) AS refusals
    FROM offer
) offers
