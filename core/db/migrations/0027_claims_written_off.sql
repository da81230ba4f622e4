-- A claim on a buyer that will never be paid is written off: it is of no lot, and has an entry of its own.
ALTER TABLE wallet_claim ALTER COLUMN lot_id DROP NOT NULL;
ALTER TABLE wallet_claim ADD COLUMN transaction_id bigint;
ALTER TABLE wallet_claim ADD CONSTRAINT wallet_claim_written_off CHECK (
    (lot_id IS NULL) = (transaction_id IS NOT NULL) AND (lot_id IS NOT NULL OR amount_minor < 0)
);
ALTER TABLE wallet_claim ADD CONSTRAINT wallet_claim_of_transaction
    FOREIGN KEY (transaction_id) REFERENCES journal_transaction;
