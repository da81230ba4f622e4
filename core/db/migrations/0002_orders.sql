-- Channels, listings, orders, and what was taken for them. Rows are inserted and never changed,
-- except open_order, which lists the work still to be done.

CREATE TABLE channel (
    channel_id int GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    connector text NOT NULL,
    currency text NOT NULL,
    -- Filled while a person has paused the channel: nothing is promised there.
    paused_at timestamptz,
    paused_reason text,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT channel_key PRIMARY KEY (channel_id),
    CONSTRAINT channel_name_once UNIQUE (name),
    CONSTRAINT channel_currency CHECK (currency ~ '^[A-Z]{3}$')
);

CREATE TABLE listing (
    listing_id int GENERATED ALWAYS AS IDENTITY,
    channel_id int NOT NULL,
    listing_ref text NOT NULL,
    sku_id int NOT NULL,
    enabled boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT listing_key PRIMARY KEY (listing_id),
    CONSTRAINT listing_ref_once UNIQUE (channel_id, listing_ref),
    CONSTRAINT listing_of_channel FOREIGN KEY (channel_id) REFERENCES channel,
    CONSTRAINT listing_of_sku FOREIGN KEY (sku_id) REFERENCES sku
);

CREATE INDEX listing_by_sku ON listing (sku_id);

-- Order ids are handed out in blocks, so that a group of orders needs no round trip for them.
CREATE SEQUENCE order_id_block INCREMENT 1000 START 1000;

CREATE TABLE channel_order (
    order_id bigint NOT NULL,
    lane smallint NOT NULL,
    channel_id int NOT NULL,
    order_ref text NOT NULL,
    -- What the order was at intake; order_move tells all that came after.
    first_state text NOT NULL,
    -- Why it came in so, where a rule of risk has to do with it.
    first_reason text NOT NULL DEFAULT '',
    -- Hash of what was asked for: the same reference with other content is refused.
    request_hash bytea NOT NULL,
    currency text NOT NULL,
    buyer_ref text,
    placed_at timestamptz NOT NULL,
    hold_until timestamptz,
    created_at timestamptz NOT NULL,
    CONSTRAINT channel_order_key PRIMARY KEY (order_id),
    CONSTRAINT order_ref_once UNIQUE (channel_id, order_ref),
    CONSTRAINT order_first_state CHECK (
        first_state IN ('held', 'reserved', 'accepted', 'parked', 'refused', 'cancelled')
    )
);

CREATE TRIGGER channel_order_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON channel_order
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE order_line (
    order_id bigint NOT NULL,
    line_no smallint NOT NULL,
    lane smallint NOT NULL,
    line_ref text NOT NULL,
    listing_id int NOT NULL,
    sku_id int NOT NULL,
    quantity int NOT NULL,
    unit_price_minor bigint NOT NULL,
    -- Codes are only taken from shelves that expire after this.
    valid_until timestamptz NOT NULL,
    CONSTRAINT order_line_key PRIMARY KEY (order_id, line_no),
    CONSTRAINT order_line_quantity CHECK (quantity BETWEEN 1 AND 10000),
    CONSTRAINT order_line_price CHECK (unit_price_minor >= 0)
);

CREATE TRIGGER order_line_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON order_line
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- One table of allowed moves stands in core/orders/lifecycle.py; a test holds this constraint against it.
CREATE TABLE order_move (
    order_id bigint NOT NULL,
    -- 1, 2, 3 ...: two writers who both saw the same state collide here.
    move_no smallint NOT NULL,
    from_state text NOT NULL,
    to_state text NOT NULL,
    moved_at timestamptz NOT NULL,
    actor text NOT NULL,
    reason text NOT NULL DEFAULT '',
    CONSTRAINT order_move_key PRIMARY KEY (order_id, move_no),
    -- As one word each: those are looked up in a hash table, pairs are compared one after the other.
    CONSTRAINT order_move_allowed CHECK (
        from_state || '>' || to_state = ANY (ARRAY[
            'held>accepted', 'held>parked', 'held>cancelled',
            'reserved>held', 'reserved>accepted', 'reserved>delivered', 'reserved>released', 'reserved>cancelled',
            'refused>held', 'refused>accepted', 'refused>parked', 'refused>cancelled',
            'released>held', 'released>accepted', 'released>parked', 'released>cancelled',
            'accepted>held', 'accepted>delivering', 'accepted>delivered', 'accepted>cancelled',
            'parked>held', 'parked>accepted', 'parked>cancelled',
            'delivering>delivered', 'delivering>unsure', 'delivering>cancelled',
            'unsure>delivered', 'unsure>delivering', 'unsure>cancelled',
            'delivered>refunded'
        ])
    )
);

CREATE TRIGGER order_move_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON order_move
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Orders that have not ended, with when to look at them next. Work, not truth: check rebuilds and compares it.
CREATE TABLE open_order (
    order_id bigint NOT NULL,
    channel_id int NOT NULL,
    due_at timestamptz NOT NULL,
    failures int NOT NULL DEFAULT 0,
    CONSTRAINT open_order_key PRIMARY KEY (order_id)
);

-- A code taken for a line. The primary key is what makes a double sale impossible.
CREATE TABLE allocation (
    lane smallint NOT NULL,
    shelf_id int NOT NULL,
    slot bigint NOT NULL,
    order_id bigint NOT NULL,
    line_no smallint NOT NULL,
    CONSTRAINT allocation_key PRIMARY KEY (lane, shelf_id, slot)
);

CREATE INDEX allocation_by_order ON allocation (order_id);

CREATE TRIGGER allocation_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON allocation
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A code that left its slot: given back unseen (it stands again elsewhere), withdrawn by its consignor, or
-- quarantined because it is bad or may have been seen.
CREATE TABLE departure (
    lane smallint NOT NULL,
    shelf_id int NOT NULL,
    slot bigint NOT NULL,
    kind text NOT NULL,
    departed_at timestamptz NOT NULL,
    actor text NOT NULL,
    reason text NOT NULL DEFAULT '',
    CONSTRAINT departure_key PRIMARY KEY (lane, shelf_id, slot),
    CONSTRAINT departure_kind CHECK (kind IN ('released', 'withdrawn', 'quarantined'))
);

CREATE TRIGGER departure_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON departure
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- An invalid code and the one given in its place.
CREATE TABLE replacement (
    lane smallint NOT NULL,
    shelf_id int NOT NULL,
    slot bigint NOT NULL,
    bad_lane smallint NOT NULL,
    bad_shelf_id int NOT NULL,
    bad_slot bigint NOT NULL,
    replaced_at timestamptz NOT NULL,
    actor text NOT NULL,
    reason text NOT NULL,
    CONSTRAINT replacement_key PRIMARY KEY (lane, shelf_id, slot),
    CONSTRAINT replacement_once UNIQUE (bad_lane, bad_shelf_id, bad_slot),
    CONSTRAINT replacement_reason_written CHECK (reason <> '')
);

-- The outbox of stock changes, read by cursor. Within a lane, mark ids rise in the order of commits, because
-- whoever writes one holds the lane's lock.
CREATE TABLE stock_mark (
    lane smallint NOT NULL,
    mark_id bigint GENERATED ALWAYS AS IDENTITY,
    sku_id int NOT NULL,
    -- The listing a sale or its end came from: its channel has counted by itself, so it is told anew.
    listing_id int,
    marked_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT stock_mark_key PRIMARY KEY (lane, mark_id)
);
