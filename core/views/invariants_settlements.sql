-- What settlements never show in a healthy database; same shape as invariants.sql.

-- name: settlements_apart
-- Each entry of what we owe payees is collected as it is, and stands open or in one settlement that is not withdrawn;
-- a settlement is the sum of its lines, and a paid one of its payment's entries, too.
WITH cursor AS (
    SELECT written_in FROM payable_cursor
),
booked AS (
    SELECT entry.transaction_id, entry.entry_no, entry.account_id, -entry.amount_minor AS owed_minor,
        posted.written_in, posted.posted_at
    FROM account
    JOIN entry ON entry.account_id = account.account_id
    JOIN journal_transaction posted ON posted.transaction_id = entry.transaction_id
    WHERE account.purpose = 'payable' AND account.party NOT IN ('channel', 'operator', 'buyer')
),
summed AS (
    SELECT settlement_id, count(*) FILTER (WHERE NOT pays) AS entries,
        coalesce(sum(owed_minor) FILTER (WHERE NOT pays), 0) AS lines_minor,
        coalesce(sum(owed_minor) FILTER (WHERE pays), 0) AS paid_minor,
        count(DISTINCT account_id) AS accounts, min(account_id) AS account_id
    FROM payable_entry
    WHERE settlement_id IS NOT NULL
    GROUP BY settlement_id
),
wrong AS (
    -- What is behind the cursor was committed before it moved, so it was seen; what is ahead may come yet.
    SELECT format('entry %s of transaction %s is owed to a payee, and will never be settled', booked.entry_no,
        booked.transaction_id) AS what
    FROM booked
    CROSS JOIN cursor
    LEFT JOIN payable_entry line ON line.transaction_id = booked.transaction_id AND line.entry_no = booked.entry_no
    WHERE line.transaction_id IS NULL AND booked.written_in < cursor.written_in
    UNION ALL
    SELECT format('entry %s of transaction %s is of %s, and is collected as %s', line.entry_no, line.transaction_id,
        coalesce(booked.owed_minor::text, 'nothing'), line.owed_minor)
    FROM payable_entry line
    LEFT JOIN booked ON booked.transaction_id = line.transaction_id AND booked.entry_no = line.entry_no
    WHERE booked.owed_minor IS DISTINCT FROM line.owed_minor
        OR booked.account_id <> line.account_id
        OR booked.posted_at <> line.posted_at
    UNION ALL
    SELECT format('settlement %s is withdrawn, and %s entries still stand in it', settlement.settlement_id,
        summed.entries)
    FROM settlement
    JOIN summed ON summed.settlement_id = settlement.settlement_id
    WHERE settlement.state = 'withdrawn'
    UNION ALL
    SELECT format('settlement %s is of %s entries worth %s, and %s worth %s stand in it', settlement.settlement_id,
        settlement.entries, settlement.lines_minor, coalesce(summed.entries, 0), coalesce(summed.lines_minor, 0))
    FROM settlement
    LEFT JOIN summed ON summed.settlement_id = settlement.settlement_id
    WHERE settlement.state <> 'withdrawn'
        AND (coalesce(summed.entries, 0) <> settlement.entries
            OR coalesce(summed.lines_minor, 0) <> settlement.lines_minor)
    UNION ALL
    SELECT format('settlement %s has entries of other accounts than its own', settlement.settlement_id)
    FROM settlement
    JOIN summed ON summed.settlement_id = settlement.settlement_id
    WHERE summed.accounts > 1 OR summed.account_id <> settlement.account_id
    UNION ALL
    SELECT format('settlement %s is %s, and entries of payments take %s of its %s', settlement.settlement_id,
        settlement.state, -coalesce(summed.paid_minor, 0), settlement.lines_minor)
    FROM settlement
    LEFT JOIN summed ON summed.settlement_id = settlement.settlement_id
    WHERE coalesce(summed.paid_minor, 0)
        <> CASE settlement.state WHEN 'paid' THEN -settlement.lines_minor ELSE 0 END
    UNION ALL
    SELECT format('settlement %s is paid by transaction %s, which no payment names', line.settlement_id,
        line.transaction_id)
    FROM payable_entry line
    LEFT JOIN settlement_payment payment ON payment.settlement_id = line.settlement_id
    WHERE line.pays
        AND line.transaction_id IS DISTINCT FROM payment.transaction_id
        AND line.transaction_id IS DISTINCT FROM payment.fx_transaction_id
    UNION ALL
    SELECT format('settlement %s is %s, and %s', settlement.settlement_id, settlement.state,
        CASE WHEN payment.settlement_id IS NULL THEN 'no payment of it is known' ELSE 'has a payment' END)
    FROM settlement
    LEFT JOIN settlement_payment payment ON payment.settlement_id = settlement.settlement_id
    WHERE (settlement.state = 'paid') <> (payment.settlement_id IS NOT NULL)
    UNION ALL
    SELECT format('settlement %s keeps %s in reserve, and %s is kept of it', settlement.settlement_id,
        settlement.reserve_minor, coalesce(reserve.amount_minor, 0))
    FROM settlement
    LEFT JOIN settlement_reserve reserve ON reserve.settlement_id = settlement.settlement_id
    WHERE coalesce(reserve.amount_minor, 0)
        <> CASE settlement.state WHEN 'paid' THEN settlement.reserve_minor ELSE 0 END
)
SELECT count(*) OVER () AS total, what FROM wrong LIMIT 20

-- name: payees_apart
-- What the books owe a payee is what stands open and what settlements have that are not paid; what they keep in
-- reserve is what paid settlements kept back and have not released.
WITH told AS (
    SELECT account_id, sum(owed_minor) AS owed_minor
    FROM (
        SELECT account_id, owed_minor FROM payable_entry WHERE settlement_id IS NULL
        UNION ALL
        SELECT account_id, lines_minor FROM settlement WHERE state IN ('draft', 'approved')
        UNION ALL
        -- Posted, and collected by the next run.
        SELECT entry.account_id, -entry.amount_minor
        FROM payable_cursor
        JOIN journal_transaction posted ON posted.written_in >= payable_cursor.written_in
        JOIN entry ON entry.transaction_id = posted.transaction_id
        JOIN account ON account.account_id = entry.account_id
        WHERE account.purpose = 'payable'
            AND account.party NOT IN ('channel', 'operator', 'buyer')
            AND NOT EXISTS (
                SELECT FROM payable_entry line
                WHERE line.transaction_id = entry.transaction_id AND line.entry_no = entry.entry_no
            )
        UNION ALL
        SELECT kept.account_id, reserve.amount_minor
        FROM settlement_reserve reserve
        JOIN settlement ON settlement.settlement_id = reserve.settlement_id
        JOIN account ON account.account_id = settlement.account_id
        JOIN account kept ON kept.party = account.party
            AND kept.party_name = account.party_name
            AND kept.currency = account.currency
            AND kept.purpose = 'reserve'
        WHERE reserve.transaction_id IS NULL
    ) each
    GROUP BY account_id
),
booked AS (
    SELECT account.account_id, -coalesce(sum(entry.amount_minor), 0) AS owed_minor
    FROM account
    LEFT JOIN entry ON entry.account_id = account.account_id
    WHERE account.purpose IN ('payable', 'reserve') AND account.party NOT IN ('channel', 'operator', 'buyer')
    GROUP BY account.account_id
)
SELECT count(*) OVER () AS total,
    format('%s of %s %s: open and in settlements it comes to %s %s, its account to %s', account.purpose,
        account.party, account.party_name, coalesce(told.owed_minor, 0), account.currency, booked.owed_minor) AS what
FROM booked
JOIN account ON account.account_id = booked.account_id
LEFT JOIN told ON told.account_id = booked.account_id
WHERE coalesce(told.owed_minor, 0) <> booked.owed_minor
LIMIT 20
