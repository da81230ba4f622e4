-- Closes groups of sales with less work; what is written, and what is refused, stays as it was.

-- Written as one array each: a statement that inserts reads its table's conditions anew, and reads one value sooner
-- than the thirty of a list.
ALTER TABLE order_move DROP CONSTRAINT order_move_allowed;
ALTER TABLE order_move ADD CONSTRAINT order_move_allowed CHECK (
    from_state || '>' || to_state = ANY (
        '{held>accepted,held>parked,held>cancelled,reserved>held,reserved>accepted,reserved>delivered,'
        'reserved>released,reserved>cancelled,refused>held,refused>accepted,refused>parked,refused>cancelled,'
        'released>held,released>accepted,released>parked,released>cancelled,accepted>held,accepted>delivering,'
        'accepted>delivered,accepted>cancelled,parked>held,parked>accepted,parked>cancelled,delivering>delivered,'
        'delivering>unsure,delivering>cancelled,unsure>delivered,unsure>delivering,unsure>cancelled,'
        'delivered>refunded}'::text[]
    )
);

ALTER TABLE journal_transaction DROP CONSTRAINT journal_transaction_kind;
ALTER TABLE journal_transaction ADD CONSTRAINT journal_transaction_kind CHECK (
    kind = ANY (
        '{sale,refund,release,lapse,redemption,budget,settlement,fx,clearing,payout,discrepancy,correction,rebate,'
        'wallet,points,coupon}'::text[]
    )
);

-- Closes a group of sales in one go: each order's last move, its end as work, its transactions and entries.
-- Orders that somebody else moved meanwhile are left alone and answered; the others must not suffer for them.
-- Most sales of a group are split alike, so each split is told once and named by its number.
-- Who calls it: core/orders/closing_group.py, with columns that core/money/ledger.py laid out.
CREATE OR REPLACE FUNCTION close_group(
    p_now timestamptz,
    k_from_state text[], k_actor text[], k_reason text[],
    o_order_id bigint[], o_move_no smallint[], o_kind int[],
    t_transaction_id bigint[], t_lane smallint[], t_order_id bigint[], t_line_no smallint[], t_plan_id int[],
    t_split_no int[],
    s_split_no int[], s_entry_no smallint[], s_account_id int[], s_amount_minor bigint[]
) RETURNS bigint[]
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_nestloop = off
SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    v_moved bigint[] := o_order_id;
    v_stale bigint[] := '{}';
    v_unposted bigint[] := '{}';
    -- Asked once: the column's default would ask for every row.
    v_written_in bigint := journal_clock();
BEGIN
    -- In the order of ids, so that two groups with the same orders wait for each other instead of locking up.
    -- Nearly always nobody has moved any of them, and to be ready for it row by row costs twice as much.
    BEGIN
        INSERT INTO order_move (order_id, move_no, from_state, to_state, moved_at, actor, reason)
        SELECT i.order_id, i.move_no, k_from_state[i.kind], 'delivered', p_now, k_actor[i.kind], k_reason[i.kind]
        FROM unnest(o_order_id, o_move_no, o_kind) i(order_id, move_no, kind)
        ORDER BY i.order_id;
    EXCEPTION WHEN unique_violation THEN
        WITH moved AS (
            INSERT INTO order_move (order_id, move_no, from_state, to_state, moved_at, actor, reason)
            SELECT i.order_id, i.move_no, k_from_state[i.kind], 'delivered', p_now, k_actor[i.kind],
                k_reason[i.kind]
            FROM unnest(o_order_id, o_move_no, o_kind) i(order_id, move_no, kind)
            ORDER BY i.order_id
            ON CONFLICT ON CONSTRAINT order_move_key DO NOTHING
            RETURNING order_id
        )
        SELECT coalesce(array_agg(moved.order_id), '{}') INTO v_moved FROM moved;
        v_stale := ARRAY(SELECT unnest(o_order_id) EXCEPT SELECT unnest(v_moved));
        v_unposted := ARRAY(
            SELECT i.transaction_id
            FROM unnest(t_transaction_id, t_order_id) i(transaction_id, order_id)
            WHERE i.order_id = ANY (v_stale)
        );
    END;

    DELETE FROM open_order WHERE order_id = ANY (v_moved);

    INSERT INTO journal_transaction (transaction_id, lane, kind, order_id, line_no, plan_id, posted_at, written_in)
    SELECT i.transaction_id, i.lane, 'sale', i.order_id, i.line_no, i.plan_id, p_now, v_written_in
    FROM unnest(t_transaction_id, t_lane, t_order_id, t_line_no, t_plan_id)
        i(transaction_id, lane, order_id, line_no, plan_id)
    WHERE i.transaction_id <> ALL (v_unposted);

    INSERT INTO entry (transaction_id, entry_no, account_id, amount_minor)
    SELECT i.transaction_id, split.entry_no, split.account_id, split.amount_minor
    FROM unnest(t_transaction_id, t_split_no) i(transaction_id, split_no)
    JOIN unnest(s_split_no, s_entry_no, s_account_id, s_amount_minor)
        split(split_no, entry_no, account_id, amount_minor) ON split.split_no = i.split_no
    WHERE i.transaction_id <> ALL (v_unposted);

    RETURN v_stale;
END $$;
