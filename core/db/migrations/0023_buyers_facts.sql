-- What is known of buyers: who brought them, who is the same person, what marks they leave, and what they belong to.

-- One person under several names. The last row of a name counts; empty: the name stands for itself again. Accounts of
-- the journal keep their names: what stands under a joined name stays there.
CREATE TABLE buyer_join (
    join_no bigint GENERATED ALWAYS AS IDENTITY,
    buyer_id bigint NOT NULL,
    into_id bigint,
    since timestamptz NOT NULL,
    actor text NOT NULL,
    reason text NOT NULL,
    CONSTRAINT buyer_join_key PRIMARY KEY (join_no),
    CONSTRAINT buyer_join_of_buyer FOREIGN KEY (buyer_id) REFERENCES buyer,
    CONSTRAINT buyer_join_into_buyer FOREIGN KEY (into_id) REFERENCES buyer,
    CONSTRAINT buyer_join_not_itself CHECK (buyer_id <> into_id)
);

CREATE INDEX buyer_join_by_buyer ON buyer_join (buyer_id, join_no);
CREATE INDEX buyer_join_by_person ON buyer_join (into_id);

CREATE TRIGGER buyer_join_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON buyer_join
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The name under which a person is known today. Whoever joins holds a lock and joins people, never names below them,
-- so there are no circles.
CREATE FUNCTION person_of(p_buyer_id bigint) RETURNS bigint
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    person bigint := p_buyer_id;
    above bigint;
BEGIN
    LOOP
        SELECT joined.into_id INTO above
        FROM buyer_join joined
        WHERE joined.buyer_id = person
        ORDER BY joined.join_no DESC
        LIMIT 1;
        IF NOT FOUND OR above IS NULL THEN
            RETURN person;
        END IF;
        person := above;
    END LOOP;
END
$$;

-- All names of a person, that one first.
CREATE FUNCTION names_of(p_person bigint) RETURNS TABLE (buyer_id bigint)
LANGUAGE sql STABLE
AS $$
    WITH RECURSIVE known(buyer_id) AS (
        SELECT p_person
        UNION
        SELECT joined.buyer_id
        FROM known
        JOIN buyer_join joined ON joined.into_id = known.buyer_id
        WHERE NOT EXISTS (
            SELECT FROM buyer_join later
            WHERE later.buyer_id = joined.buyer_id AND later.join_no > joined.join_no
        )
    )
    SELECT known.buyer_id FROM known
$$;

-- Who brought whom; both stand in `buyer`, a referrer who never bought too. The last row of a name at a moment
-- counts; without a referrer it ends what stood before. `holds_until` is worked out when it is told, so that other
-- terms change nothing that was promised; empty: for ever.
CREATE TABLE referral (
    referral_no bigint GENERATED ALWAYS AS IDENTITY,
    buyer_id bigint NOT NULL,
    referrer_id bigint,
    since timestamptz NOT NULL,
    holds_until timestamptz,
    source text NOT NULL,
    actor text NOT NULL,
    told_at timestamptz NOT NULL,
    CONSTRAINT referral_key PRIMARY KEY (referral_no),
    CONSTRAINT referral_of_buyer FOREIGN KEY (buyer_id) REFERENCES buyer,
    CONSTRAINT referral_by_buyer FOREIGN KEY (referrer_id) REFERENCES buyer,
    CONSTRAINT referral_not_own CHECK (buyer_id <> referrer_id),
    CONSTRAINT referral_holds CHECK (holds_until > since)
);

CREATE INDEX referral_by_buyer ON referral (buyer_id, since, referral_no);
CREATE INDEX referral_by_referrer ON referral (referrer_id);

CREATE TRIGGER referral_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON referral
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What was told of who brought whom and was not taken, and why.
CREATE TABLE referral_refusal (
    refusal_no bigint GENERATED ALWAYS AS IDENTITY,
    buyer_id bigint NOT NULL,
    referrer text NOT NULL,
    reason text NOT NULL,
    source text NOT NULL,
    actor text NOT NULL,
    told_at timestamptz NOT NULL,
    CONSTRAINT referral_refusal_key PRIMARY KEY (refusal_no),
    CONSTRAINT referral_refusal_of_buyer FOREIGN KEY (buyer_id) REFERENCES buyer,
    -- A channel tells of an order as often as it likes.
    CONSTRAINT referral_refusal_once UNIQUE (buyer_id, referrer, source, reason)
);

CREATE TRIGGER referral_refusal_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON referral_refusal
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Who brought a person, at a moment. Of a person's several names the one that was brought first counts.
CREATE FUNCTION referrer_at(p_person bigint, p_at timestamptz) RETURNS bigint
LANGUAGE sql STABLE
AS $$
    SELECT person_of(latest.referrer_id)
    FROM names_of(p_person) name
    CROSS JOIN LATERAL (
        SELECT referral.referrer_id, referral.since, referral.holds_until, referral.referral_no
        FROM referral
        WHERE referral.buyer_id = name.buyer_id AND referral.since <= p_at
        ORDER BY referral.since DESC, referral.referral_no DESC
        LIMIT 1
    ) latest
    WHERE latest.referrer_id IS NOT NULL AND (latest.holds_until IS NULL OR latest.holds_until > p_at)
    ORDER BY latest.since, latest.referral_no
    LIMIT 1
$$;

-- How many steps of "was brought by" lead from one person to another; empty where none do. Everybody was brought by
-- one at most, so the way is a line that ends or runs in a circle: the mark that is set ever farther apart (Brent)
-- notices a circle, and no other bound is needed.
CREATE FUNCTION steps_to(p_from bigint, p_to bigint, p_at timestamptz) RETURNS int
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    here bigint := p_from;
    mark bigint := p_from;
    steps int := 0;
    next_mark int := 1;
BEGIN
    LOOP
        here := referrer_at(here, p_at);
        steps := steps + 1;
        IF here IS NULL THEN
            RETURN NULL;
        ELSIF here = p_to THEN
            RETURN steps;
        ELSIF here = mark THEN
            RETURN NULL;
        ELSIF steps = next_mark THEN
            mark := here;
            next_mark := next_mark * 2;
        END IF;
    END LOOP;
END
$$;

-- What tells that two buyers are one: an account, an address, a device, each as a keyed hash and nothing else. Swept
-- when it was last seen longer ago than is kept.
CREATE TABLE buyer_mark (
    buyer_id bigint NOT NULL,
    kind text NOT NULL,
    hash bytea NOT NULL,
    first_seen_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    CONSTRAINT buyer_mark_key PRIMARY KEY (buyer_id, kind, hash),
    CONSTRAINT buyer_mark_of_buyer FOREIGN KEY (buyer_id) REFERENCES buyer,
    CONSTRAINT buyer_mark_kind CHECK (kind IN ('account', 'address', 'device')),
    CONSTRAINT buyer_mark_hash CHECK (octet_length(hash) = 32)
);

CREATE INDEX buyer_mark_by_hash ON buyer_mark (hash, kind);
CREATE INDEX buyer_mark_by_seen ON buyer_mark (last_seen_at);

-- Segments as they were ever written; the last version counts, an empty one is a segment that is no more.
CREATE TABLE segment (
    name text NOT NULL,
    version int NOT NULL,
    rules jsonb,
    published_at timestamptz NOT NULL,
    CONSTRAINT segment_key PRIMARY KEY (name, version),
    CONSTRAINT segment_named CHECK (name <> '')
);

CREATE TRIGGER segment_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON segment
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Lists of buyers that people keep. The last row of a buyer on a list at a moment counts.
CREATE TABLE buyer_list (
    row_no bigint GENERATED ALWAYS AS IDENTITY,
    list text NOT NULL,
    buyer_id bigint NOT NULL,
    listed boolean NOT NULL,
    since timestamptz NOT NULL,
    actor text NOT NULL,
    CONSTRAINT buyer_list_row_key PRIMARY KEY (row_no),
    CONSTRAINT buyer_list_of_buyer FOREIGN KEY (buyer_id) REFERENCES buyer,
    CONSTRAINT buyer_list_named CHECK (list <> '')
);

CREATE INDEX buyer_list_by_buyer ON buyer_list (buyer_id, list, row_no);
CREATE INDEX buyer_list_by_list ON buyer_list (list, buyer_id, row_no);

CREATE TRIGGER buyer_list_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON buyer_list
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The tax that a channel told was in the price of a line, all its pieces together. Written before the order is taken
-- in, so that no sale is split without it; told anew it stays as it was first.
CREATE TABLE told_tax (
    channel_id int NOT NULL,
    order_ref text NOT NULL,
    line_ref text NOT NULL,
    tax_minor bigint NOT NULL,
    told_at timestamptz NOT NULL,
    CONSTRAINT told_tax_key PRIMARY KEY (channel_id, order_ref, line_ref),
    CONSTRAINT told_tax_of_channel FOREIGN KEY (channel_id) REFERENCES channel,
    CONSTRAINT told_tax_not_negative CHECK (tax_minor >= 0)
);

CREATE TRIGGER told_tax_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON told_tax
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
