-- Groups that buy together, who took how much of a flash sale, and money that has to go back to a buyer.

-- One row per group offer: whoever decides over its groups holds it, so daemons take turns.
CREATE TABLE group_offer (
    name text NOT NULL,
    CONSTRAINT group_offer_key PRIMARY KEY (name),
    CONSTRAINT group_offer_named CHECK (name <> '')
);

-- What was promised when a group opened stays its own, whatever the settings say later.
CREATE TABLE buying_group (
    group_id bigint GENERATED ALWAYS AS IDENTITY,
    ref text NOT NULL,
    offer text NOT NULL,
    size smallint NOT NULL,
    -- With so many it is completed at the end of its time all the same; NULL: it fails unless it is full.
    at_least smallint,
    opened_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    ended_at timestamptz,
    outcome text,
    why text,
    CONSTRAINT buying_group_key PRIMARY KEY (group_id),
    CONSTRAINT buying_group_ref_once UNIQUE (ref),
    CONSTRAINT buying_group_of_offer FOREIGN KEY (offer) REFERENCES group_offer,
    CONSTRAINT buying_group_size CHECK (size BETWEEN 2 AND 5),
    CONSTRAINT buying_group_at_least CHECK (at_least BETWEEN 1 AND size),
    CONSTRAINT buying_group_time CHECK (ends_at > opened_at),
    CONSTRAINT buying_group_outcome CHECK (outcome IN ('full', 'by rule', 'by hand', 'failed')),
    CONSTRAINT buying_group_ended CHECK ((ended_at IS NULL) = (outcome IS NULL))
);

CREATE INDEX buying_group_open ON buying_group (offer, opened_at) WHERE outcome IS NULL;

-- A paid order of a group offer, from the moment before it was taken in. Work, until its state is an end.
CREATE TABLE group_seat (
    channel_id int NOT NULL,
    order_ref text NOT NULL,
    offer text NOT NULL,
    -- The group that the buyer asked for, if he named one.
    wanted_ref text,
    told_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'waiting',
    group_id bigint,
    seat_no smallint,
    buyer_id bigint,
    pieces int NOT NULL,
    moved_at timestamptz,
    why text,
    CONSTRAINT group_seat_key PRIMARY KEY (channel_id, order_ref),
    CONSTRAINT group_seat_of_channel FOREIGN KEY (channel_id) REFERENCES channel,
    CONSTRAINT group_seat_of_group FOREIGN KEY (group_id) REFERENCES buying_group,
    CONSTRAINT group_seat_of_buyer FOREIGN KEY (buyer_id) REFERENCES buyer,
    CONSTRAINT group_seat_pieces CHECK (pieces > 0),
    CONSTRAINT group_seat_number CHECK (seat_no BETWEEN 1 AND 5),
    CONSTRAINT group_seat_state CHECK (
        state IN ('waiting', 'seated', 'bought', 'left', 'failed', 'refused', 'over')
    ),
    CONSTRAINT group_seat_taken CHECK (
        state NOT IN ('seated', 'bought', 'left', 'failed')
        OR (group_id IS NOT NULL AND seat_no IS NOT NULL AND buyer_id IS NOT NULL)
    )
);

-- A seat is one order's, and nobody sits on two of a group.
CREATE UNIQUE INDEX group_seat_once ON group_seat (group_id, seat_no) WHERE state IN ('seated', 'bought');
CREATE UNIQUE INDEX group_seat_per_buyer ON group_seat (group_id, buyer_id) WHERE state IN ('seated', 'bought');
CREATE INDEX group_seat_waiting ON group_seat (offer, told_at) WHERE state = 'waiting';
CREATE INDEX group_seat_of_buyers ON group_seat (offer, buyer_id) WHERE state IN ('seated', 'bought');

-- How many pieces an order asked for in a flash sale that limits them per buyer, and whether that was too many.
CREATE TABLE flash_claim (
    claim_id bigint GENERATED ALWAYS AS IDENTITY,
    channel_id int NOT NULL,
    order_ref text NOT NULL,
    sale text NOT NULL,
    sale_from timestamptz NOT NULL,
    buyer_id bigint NOT NULL,
    pieces int NOT NULL,
    is_over boolean NOT NULL,
    claimed_at timestamptz NOT NULL,
    CONSTRAINT flash_claim_key PRIMARY KEY (claim_id),
    CONSTRAINT flash_claim_once UNIQUE (channel_id, order_ref, sale, sale_from),
    CONSTRAINT flash_claim_of_channel FOREIGN KEY (channel_id) REFERENCES channel,
    CONSTRAINT flash_claim_of_buyer FOREIGN KEY (buyer_id) REFERENCES buyer,
    CONSTRAINT flash_claim_pieces CHECK (pieces > 0)
);

CREATE INDEX flash_claim_of_buyers ON flash_claim (sale, sale_from, buyer_id);

-- An order whose money has to go back. It is written before the order is touched, so a crash loses none; it is
-- settled with the order's end, or by a person where the channel cannot give money back.
CREATE TABLE refund_due (
    channel_id int NOT NULL,
    order_ref text NOT NULL,
    decided_at timestamptz NOT NULL,
    actor text NOT NULL,
    -- What buyers may read at the channel, and what we know.
    told text NOT NULL,
    why text NOT NULL,
    settled_at timestamptz,
    settled_by text,
    how text,
    CONSTRAINT refund_due_key PRIMARY KEY (channel_id, order_ref),
    CONSTRAINT refund_due_of_channel FOREIGN KEY (channel_id) REFERENCES channel,
    CONSTRAINT refund_due_settled CHECK ((settled_at IS NULL) = (settled_by IS NULL) AND (settled_at IS NULL) = (how IS NULL))
);

CREATE INDEX refund_due_open ON refund_due (decided_at) WHERE settled_at IS NULL;
