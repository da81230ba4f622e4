-- What each listing should show, what the channel acknowledged, and what it was seen to show.

CREATE TABLE offer (
    listing_id int NOT NULL,
    wanted_quantity int,
    wanted_price_minor bigint,
    wanted_net_minor bigint,
    wanted_on boolean,
    wanted_at timestamptz,
    why jsonb,
    -- Written before the channel is told: until it answers, either value may be what it shows.
    telling_quantity int,
    -- The most that it may show from tellings of which nobody knows what became, until it is told and answers,
    -- or is looked at.
    doubt_quantity int,
    told_at timestamptz,
    published_quantity int,
    published_price_minor bigint,
    published_net_minor bigint,
    published_on boolean,
    published_at timestamptz,
    observed_quantity int,
    observed_price_minor bigint,
    observed_net_minor bigint,
    -- On means that a buyer can buy: the channel shows it, and shows some.
    observed_on boolean,
    -- Units held by buyers there that the quantity does not include.
    observed_held int,
    observed_at timestamptz,
    -- Dirty while dirty_version is above acked_version; an answer acknowledges only the version it was told.
    dirty_version bigint NOT NULL DEFAULT 1,
    acked_version bigint NOT NULL DEFAULT 0,
    dirty_since timestamptz NOT NULL DEFAULT now(),
    retry_at timestamptz NOT NULL DEFAULT '-infinity',
    failures int NOT NULL DEFAULT 0,
    refusal text,
    drifts int NOT NULL DEFAULT 0,
    -- Something was sold or given back there since it was told: the channel has counted by itself, from a
    -- number we cannot be sure of, so it is told again whatever we believe it shows.
    counted_there boolean NOT NULL DEFAULT false,
    CONSTRAINT offer_key PRIMARY KEY (listing_id),
    CONSTRAINT offer_of_listing FOREIGN KEY (listing_id) REFERENCES listing,
    CONSTRAINT offer_quantity_not_negative CHECK (wanted_quantity >= 0 AND published_quantity >= 0),
    CONSTRAINT offer_acked_not_ahead CHECK (acked_version <= dirty_version)
) WITH (fillfactor = 50);

-- Every quantity a channel was told, with what the bound allowed at that moment. Reducing is always allowed.
CREATE TABLE promise (
    promise_id bigint GENERATED ALWAYS AS IDENTITY,
    listing_id int NOT NULL,
    quantity int NOT NULL,
    price_minor bigint NOT NULL,
    -- The largest quantity the listing may still have shown before.
    before_quantity int NOT NULL,
    -- All listings of the SKU together, this one included.
    promised_total int NOT NULL,
    available int NOT NULL,
    bound_permille int NOT NULL,
    promised_at timestamptz NOT NULL,
    CONSTRAINT promise_key PRIMARY KEY (promise_id),
    CONSTRAINT promise_within_bound CHECK (
        quantity <= before_quantity OR promised_total::bigint * 1000 <= available::bigint * bound_permille
    )
);

CREATE INDEX promise_by_listing ON promise (listing_id, promise_id);

CREATE TRIGGER promise_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON promise
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- How far each channel has been read: its orders, its payouts, our stock marks of each lane.
CREATE TABLE channel_cursor (
    channel_id int NOT NULL,
    subject text NOT NULL,
    position text NOT NULL,
    moved_at timestamptz NOT NULL,
    CONSTRAINT channel_cursor_key PRIMARY KEY (channel_id, subject),
    CONSTRAINT channel_cursor_of_channel FOREIGN KEY (channel_id) REFERENCES channel
);

-- Who drives a channel now. The epoch rises with every change of hands.
CREATE TABLE lease (
    channel_id int NOT NULL,
    holder text NOT NULL,
    epoch bigint NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT lease_key PRIMARY KEY (channel_id),
    CONSTRAINT lease_of_channel FOREIGN KEY (channel_id) REFERENCES channel
);

-- How each channel is doing, as its driver last saw it, for people.
CREATE TABLE channel_health (
    channel_id int NOT NULL,
    subject text NOT NULL,
    ok boolean NOT NULL,
    detail text NOT NULL DEFAULT '',
    changed_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    CONSTRAINT channel_health_key PRIMARY KEY (channel_id, subject),
    CONSTRAINT channel_health_of_channel FOREIGN KEY (channel_id) REFERENCES channel
);
