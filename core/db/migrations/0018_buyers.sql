-- Buyers as one person over all channels, and the transactions that give them something back.

ALTER TABLE journal_transaction DROP CONSTRAINT journal_transaction_kind;
ALTER TABLE journal_transaction ADD CONSTRAINT journal_transaction_kind CHECK (kind IN (
    'sale', 'refund', 'release', 'lapse', 'redemption', 'budget', 'settlement', 'fx', 'clearing', 'payout',
    'discrepancy', 'correction', 'rebate', 'wallet', 'points', 'coupon'
));

-- Somebody who buys. Accounts of the journal are his by `name`, which never changes.
CREATE TABLE buyer (
    buyer_id bigint GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    known_since timestamptz NOT NULL,
    CONSTRAINT buyer_key PRIMARY KEY (buyer_id),
    CONSTRAINT buyer_name_once UNIQUE (name),
    CONSTRAINT buyer_name_written CHECK (name <> '')
);

-- What channels call him. A channel's reference is one person's, and stays his.
CREATE TABLE buyer_handle (
    channel_id int NOT NULL,
    buyer_ref text NOT NULL,
    buyer_id bigint NOT NULL,
    since timestamptz NOT NULL,
    CONSTRAINT buyer_handle_key PRIMARY KEY (channel_id, buyer_ref),
    CONSTRAINT buyer_handle_of_channel FOREIGN KEY (channel_id) REFERENCES channel,
    CONSTRAINT buyer_handle_of_buyer FOREIGN KEY (buyer_id) REFERENCES buyer
);

CREATE INDEX buyer_handle_by_buyer ON buyer_handle (buyer_id);
