-- Campaigns: what is promised to buyers and referrers, what was granted or refused for which order, and taken back.

-- One row for each name. Whoever grants holds it, and what stands out can never be more than the budget.
CREATE TABLE campaign (
    name text NOT NULL,
    currency text NOT NULL,
    budget_minor bigint NOT NULL,
    -- Granted less what was taken back.
    spent_minor bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    CONSTRAINT campaign_key PRIMARY KEY (name),
    CONSTRAINT campaign_named CHECK (name <> ''),
    CONSTRAINT campaign_currency CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT campaign_within_budget CHECK (spent_minor BETWEEN 0 AND budget_minor)
) WITH (fillfactor = 50);

-- What was published, never changed. An order falls under the newest version that was published before its delivery.
CREATE TABLE campaign_version (
    version_id int GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    version int NOT NULL,
    content jsonb NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    published_at timestamptz NOT NULL,
    actor text NOT NULL,
    -- What a draw has bound itself to before the first order: the hash of its seed.
    seed_hash bytea,
    CONSTRAINT campaign_version_key PRIMARY KEY (version_id),
    CONSTRAINT campaign_version_once UNIQUE (name, version),
    CONSTRAINT campaign_version_of_campaign FOREIGN KEY (name) REFERENCES campaign,
    CONSTRAINT campaign_version_dates CHECK (starts_at < ends_at),
    CONSTRAINT campaign_version_seed_hash CHECK (octet_length(seed_hash) = 32)
);

CREATE TRIGGER campaign_version_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON campaign_version
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The seed itself, apart from what everybody may read; told when the campaign is over.
CREATE TABLE campaign_seed (
    version_id int NOT NULL,
    seed bytea NOT NULL,
    CONSTRAINT campaign_seed_key PRIMARY KEY (version_id),
    CONSTRAINT campaign_seed_of_version FOREIGN KEY (version_id) REFERENCES campaign_version,
    CONSTRAINT campaign_seed_length CHECK (octet_length(seed) = 32)
);

CREATE TRIGGER campaign_seed_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON campaign_seed
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Ended by a person before its time; a stopped campaign stays so, its name is used up.
CREATE TABLE campaign_stop (
    name text NOT NULL,
    stopped_at timestamptz NOT NULL,
    actor text NOT NULL,
    reason text NOT NULL,
    CONSTRAINT campaign_stop_key PRIMARY KEY (name),
    CONSTRAINT campaign_stop_of_campaign FOREIGN KEY (name) REFERENCES campaign,
    CONSTRAINT campaign_stop_reason_written CHECK (reason <> '')
);

CREATE TRIGGER campaign_stop_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON campaign_stop
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- How far the journal was read: one row for all that comes, and one for each version that asked for earlier orders,
-- which ends where it was published. Locked by whoever grants, so daemons never read the same stretch twice.
CREATE TABLE campaign_cursor (
    cursor_no int NOT NULL,
    -- 0: all campaigns; else the one version that reads what came before it.
    written_in bigint NOT NULL,
    transaction_id bigint NOT NULL,
    until_written_in bigint,
    moved_at timestamptz NOT NULL,
    CONSTRAINT campaign_cursor_key PRIMARY KEY (cursor_no),
    CONSTRAINT campaign_cursor_end CHECK ((cursor_no = 0) = (until_written_in IS NULL))
) WITH (fillfactor = 50);

INSERT INTO campaign_cursor (cursor_no, written_in, transaction_id, moved_at)
VALUES (0, journal_clock(), -1, now());

CREATE TABLE campaign_grant (
    grant_id bigint GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    version_id int NOT NULL,
    order_id bigint NOT NULL,
    reward text NOT NULL,
    -- Who bought; the beneficiary is that buyer or a referrer, by the name that accounts carry.
    buyer_id bigint NOT NULL,
    party text NOT NULL,
    beneficiary text NOT NULL,
    -- wallet, payable, points:PROGRAMME or coupon:SERIES.
    pays text NOT NULL,
    -- What it counts for in budgets; points and coupons at their value.
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    points bigint,
    -- What it was reckoned of, and what of the order's price it hangs on when some of that is refunded.
    base_minor bigint NOT NULL,
    eligible_minor bigint NOT NULL,
    -- The lines it was given for.
    line_nos smallint[] NOT NULL,
    -- Which of a draw's outcomes it was, counted from 1.
    outcome_no smallint,
    on_refund text NOT NULL,
    -- Empty, or what a guard had to say though it let it pass.
    warning text NOT NULL DEFAULT '',
    granted_at timestamptz NOT NULL,
    CONSTRAINT campaign_grant_key PRIMARY KEY (grant_id),
    CONSTRAINT campaign_granted_once UNIQUE (name, order_id, reward),
    CONSTRAINT campaign_grant_of_version FOREIGN KEY (version_id) REFERENCES campaign_version,
    CONSTRAINT campaign_grant_positive CHECK (amount_minor >= 0 AND (points IS NULL OR points > 0)),
    CONSTRAINT campaign_grant_on_refund CHECK (on_refund IN ('proportional', 'full', 'kept'))
);

CREATE INDEX campaign_grant_by_order ON campaign_grant (order_id);
CREATE INDEX campaign_grant_by_buyer ON campaign_grant (buyer_id);
CREATE INDEX campaign_grant_by_time ON campaign_grant (name, granted_at);

CREATE TRIGGER campaign_grant_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON campaign_grant
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The parts in which a grant is given, and what was made for each where it was paid: a lot, a coupon.
CREATE TABLE campaign_part (
    grant_id bigint NOT NULL,
    part_no smallint NOT NULL,
    -- Of money or of points, as the grant pays.
    amount bigint NOT NULL,
    back bigint NOT NULL DEFAULT 0,
    vests_at timestamptz NOT NULL,
    -- A referrer's part became payable. Wallets and points know by themselves.
    vested_at timestamptz,
    paid_ref text,
    CONSTRAINT campaign_part_key PRIMARY KEY (grant_id, part_no),
    CONSTRAINT campaign_part_of_grant FOREIGN KEY (grant_id) REFERENCES campaign_grant,
    CONSTRAINT campaign_part_back CHECK (back BETWEEN 0 AND amount)
) WITH (fillfactor = 70);

CREATE INDEX campaign_part_waiting ON campaign_part (vests_at) WHERE vested_at IS NULL AND paid_ref IS NULL;

-- What was taken back of a grant, each time that money of its order went back.
CREATE TABLE campaign_grant_back (
    grant_id bigint NOT NULL,
    back_no smallint NOT NULL,
    amount_minor bigint NOT NULL,
    points bigint,
    refunded_minor bigint NOT NULL,
    reason text NOT NULL,
    taken_at timestamptz NOT NULL,
    CONSTRAINT campaign_grant_back_key PRIMARY KEY (grant_id, back_no),
    CONSTRAINT campaign_grant_back_of_grant FOREIGN KEY (grant_id) REFERENCES campaign_grant,
    CONSTRAINT campaign_grant_back_something CHECK (amount_minor >= 0 AND (amount_minor > 0 OR points > 0))
);

CREATE TRIGGER campaign_grant_back_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON campaign_grant_back
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Why an order got nothing of a reward; `code` is for programs, `reason` for people.
CREATE TABLE campaign_refusal (
    name text NOT NULL,
    version_id int NOT NULL,
    order_id bigint NOT NULL,
    reward text NOT NULL,
    code text NOT NULL,
    reason text NOT NULL,
    refused_at timestamptz NOT NULL,
    CONSTRAINT campaign_refusal_key PRIMARY KEY (order_id, name, reward),
    CONSTRAINT campaign_refusal_of_version FOREIGN KEY (version_id) REFERENCES campaign_version,
    CONSTRAINT campaign_refusal_reason_written CHECK (code <> '' AND reason <> '')
);

CREATE INDEX campaign_refusal_by_time ON campaign_refusal (name, refused_at);

CREATE TRIGGER campaign_refusal_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON campaign_refusal
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What was granted and came back on each day (UTC). A day's budget is a brake: what comes back does not loosen it.
CREATE TABLE campaign_spend (
    name text NOT NULL,
    day date NOT NULL,
    granted_minor bigint NOT NULL DEFAULT 0,
    returned_minor bigint NOT NULL DEFAULT 0,
    grants int NOT NULL DEFAULT 0,
    CONSTRAINT campaign_spend_key PRIMARY KEY (name, day),
    CONSTRAINT campaign_spend_of_campaign FOREIGN KEY (name) REFERENCES campaign
) WITH (fillfactor = 50);

-- What each account, address and device has had of a campaign; marks are keyed hashes, never what they stand for.
CREATE TABLE campaign_use (
    name text NOT NULL,
    kind text NOT NULL,
    mark text NOT NULL,
    grants int NOT NULL DEFAULT 0,
    amount_minor bigint NOT NULL DEFAULT 0,
    CONSTRAINT campaign_use_key PRIMARY KEY (name, kind, mark),
    CONSTRAINT campaign_use_of_campaign FOREIGN KEY (name) REFERENCES campaign
) WITH (fillfactor = 50);

-- What a reward with a cap, or with tiers over a period, has seen of each beneficiary.
CREATE TABLE campaign_counter (
    name text NOT NULL,
    reward text NOT NULL,
    beneficiary text NOT NULL,
    period_start timestamptz NOT NULL,
    taken_minor bigint NOT NULL DEFAULT 0,
    turnover_minor bigint NOT NULL DEFAULT 0,
    units bigint NOT NULL DEFAULT 0,
    CONSTRAINT campaign_counter_key PRIMARY KEY (name, reward, beneficiary, period_start)
) WITH (fillfactor = 50);

-- What an order brought to a counter, so that a refund can take it off again.
CREATE TABLE campaign_counted (
    order_id bigint NOT NULL,
    name text NOT NULL,
    reward text NOT NULL,
    beneficiary text NOT NULL,
    period_start timestamptz NOT NULL,
    turnover_minor bigint NOT NULL,
    back_minor bigint NOT NULL DEFAULT 0,
    eligible_minor bigint NOT NULL,
    line_nos smallint[] NOT NULL,
    CONSTRAINT campaign_counted_key PRIMARY KEY (order_id, name, reward)
) WITH (fillfactor = 70);
