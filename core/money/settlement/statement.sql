-- name: ledger_sum
-- By the entries themselves, not by what was collected of them.
SELECT coalesce(-sum(entry.amount_minor) FILTER (WHERE NOT line.pays), 0)::bigint AS lines_minor,
    count(*) FILTER (WHERE NOT line.pays)::int AS entries,
    coalesce(-sum(entry.amount_minor) FILTER (WHERE line.pays), 0)::bigint AS paid_minor
FROM payable_entry line
JOIN settlement ON settlement.settlement_id = line.settlement_id
JOIN entry ON entry.transaction_id = line.transaction_id
    AND entry.entry_no = line.entry_no
    AND entry.account_id = settlement.account_id
WHERE line.settlement_id = $1::bigint
