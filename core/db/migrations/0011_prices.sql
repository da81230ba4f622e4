-- What prices are worked out from, what was changed, and what people decided about prices.

-- One major unit of base is numerator / denominator major units of quote, exactly. What was said stays said: a
-- better rate is another row.
CREATE TABLE rate (
    rate_id bigint GENERATED ALWAYS AS IDENTITY,
    base text NOT NULL,
    quote text NOT NULL,
    numerator bigint NOT NULL,
    denominator bigint NOT NULL,
    source text NOT NULL,
    -- The moment the rate holds for, as its source says; not when we heard of it.
    valid_at timestamptz NOT NULL,
    entered_by text NOT NULL,
    entered_at timestamptz NOT NULL,
    CONSTRAINT rate_key PRIMARY KEY (rate_id),
    CONSTRAINT rate_positive CHECK (numerator > 0 AND denominator > 0),
    CONSTRAINT rate_currencies CHECK (base ~ '^[A-Z]{3}$' AND quote ~ '^[A-Z]{3}$' AND base <> quote),
    CONSTRAINT rate_source_written CHECK (source <> '')
);

-- The latest of a pair as of a moment; of two for the same moment the one entered last.
CREATE INDEX rate_latest ON rate (base, quote, valid_at DESC, rate_id DESC);

CREATE TRIGGER rate_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON rate
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- How fetching rates from a source is going; changed_at moves only when good turns bad or bad good.
CREATE TABLE rate_health (
    source text NOT NULL,
    ok boolean NOT NULL,
    detail text NOT NULL DEFAULT '',
    changed_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    CONSTRAINT rate_health_key PRIMARY KEY (source)
);

-- When a listing's competitors were last asked for and seen, and which look its sightings are of. A look that
-- saw the same as the one before moves looked_at alone; one that could not see moves tried_at alone.
CREATE TABLE competitor_look (
    listing_id int NOT NULL,
    tried_at timestamptz NOT NULL,
    looked_at timestamptz,
    -- The look whose sightings still hold.
    seen_at timestamptz,
    detail text NOT NULL DEFAULT '',
    CONSTRAINT competitor_look_key PRIMARY KEY (listing_id),
    CONSTRAINT competitor_look_of_listing FOREIGN KEY (listing_id) REFERENCES listing
) WITH (fillfactor = 50);

-- An offer that a seller showed for the same product, in a look. Old looks are pruned.
CREATE TABLE sighting (
    listing_id int NOT NULL,
    seen_at timestamptz NOT NULL,
    -- The marketplace's order of them: 0 is what a buyer sees first.
    position smallint NOT NULL,
    seller text NOT NULL,
    price_minor bigint NOT NULL,
    currency text NOT NULL,
    -- NULL: the marketplace does not tell.
    quantity int,
    own boolean NOT NULL,
    CONSTRAINT sighting_key PRIMARY KEY (listing_id, seen_at, position),
    CONSTRAINT sighting_price_positive CHECK (price_minor > 0),
    CONSTRAINT sighting_quantity_not_negative CHECK (quantity >= 0)
);

CREATE INDEX sighting_by_time ON sighting USING brin (seen_at);

-- What a channel's own calculator answered: both sides of a price. Asked again when it has grown old.
CREATE TABLE fee_quote (
    listing_id int NOT NULL,
    gross_minor bigint NOT NULL,
    net_minor bigint NOT NULL,
    quoted_at timestamptz NOT NULL,
    CONSTRAINT fee_quote_key PRIMARY KEY (listing_id, gross_minor),
    CONSTRAINT fee_quote_of_listing FOREIGN KEY (listing_id) REFERENCES listing
);

-- Every price that a channel was told and that was not the one it was told before. Written when it is told: a
-- change whose answer was lost may have been counted by the channel.
CREATE TABLE price_change (
    change_id bigint GENERATED ALWAYS AS IDENTITY,
    listing_id int NOT NULL,
    was_minor bigint,
    price_minor bigint NOT NULL,
    net_minor bigint NOT NULL,
    changed_at timestamptz NOT NULL,
    CONSTRAINT price_change_key PRIMARY KEY (change_id),
    CONSTRAINT price_change_differs CHECK (was_minor IS NULL OR was_minor <> price_minor)
);

CREATE INDEX price_change_by_listing ON price_change (listing_id, changed_at DESC, change_id DESC);

CREATE TRIGGER price_change_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON price_change
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A price that jumped too far to be told without a person. A price asked for later takes its place, so that
-- nobody approves another price than he saw.
CREATE TABLE price_hold (
    hold_id bigint GENERATED ALWAYS AS IDENTITY,
    listing_id int NOT NULL,
    from_minor bigint,
    price_minor bigint NOT NULL,
    currency text NOT NULL,
    why text NOT NULL,
    asked_at timestamptz NOT NULL,
    verdict text,
    decided_at timestamptz,
    decided_by text,
    reason text,
    CONSTRAINT price_hold_key PRIMARY KEY (hold_id),
    CONSTRAINT price_hold_of_listing FOREIGN KEY (listing_id) REFERENCES listing,
    CONSTRAINT price_hold_verdict CHECK (verdict IN ('approved', 'refused', 'superseded')),
    CONSTRAINT price_hold_decided_whole CHECK (
        (verdict IS NULL) = (decided_at IS NULL) AND (verdict IS NULL) = (decided_by IS NULL)
    )
);

CREATE UNIQUE INDEX price_hold_open_once ON price_hold (listing_id) WHERE verdict IS NULL;
CREATE INDEX price_hold_by_listing ON price_hold (listing_id, hold_id DESC);

-- A person's signature under a price below the floor, for a listing and for a time.
CREATE TABLE price_exception (
    exception_id bigint GENERATED ALWAYS AS IDENTITY,
    listing_id int NOT NULL,
    -- What the buyer must pay at least meanwhile.
    least_minor bigint NOT NULL,
    currency text NOT NULL,
    from_at timestamptz NOT NULL,
    until_at timestamptz NOT NULL,
    reason text NOT NULL,
    signed_by text NOT NULL,
    signed_at timestamptz NOT NULL,
    revoked_at timestamptz,
    revoked_by text,
    CONSTRAINT price_exception_key PRIMARY KEY (exception_id),
    CONSTRAINT price_exception_of_listing FOREIGN KEY (listing_id) REFERENCES listing,
    CONSTRAINT price_exception_lasts CHECK (until_at > from_at),
    CONSTRAINT price_exception_positive CHECK (least_minor > 0),
    CONSTRAINT price_exception_reason_written CHECK (reason <> ''),
    CONSTRAINT price_exception_revoked_whole CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
);

CREATE INDEX price_exception_by_listing ON price_exception (listing_id, until_at);

-- Free price changes that the channel itself said were left, where it says so, and when the next one comes.
ALTER TABLE offer ADD COLUMN free_changes_left int;
ALTER TABLE offer ADD COLUMN next_free_change_at timestamptz;
ALTER TABLE offer ADD COLUMN free_changes_seen_at timestamptz;
