-- Seeds of draws are sealed, and what failed about one order waits apart from all others.

-- Wrapped by a sealing key, as the data keys of codes are. `seed` holds what was published before this and was not used
-- since: whoever uses it seals it first. The hash in campaign_version says that it is still the one that was bound.
ALTER TABLE campaign_seed
    ALTER COLUMN seed DROP NOT NULL,
    ADD COLUMN key_id text,
    ADD COLUMN wrapped bytea,
    ADD CONSTRAINT campaign_seed_in_one_form CHECK (
        (seed IS NULL) = (wrapped IS NOT NULL) AND (wrapped IS NULL) = (key_id IS NULL)
    ),
    ADD CONSTRAINT campaign_seed_under_key FOREIGN KEY (key_id) REFERENCES sealing_key;

-- A rotation wraps it anew; nobody takes it away.
DROP TRIGGER campaign_seed_append_only ON campaign_seed;
CREATE TRIGGER campaign_seed_stays BEFORE DELETE OR TRUNCATE ON campaign_seed
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What campaigns could not do about an order, and when they try again. A row goes when it was done.
CREATE TABLE campaign_late (
    order_id bigint NOT NULL,
    work text NOT NULL,
    error text NOT NULL,
    tries int NOT NULL DEFAULT 1,
    failed_at timestamptz NOT NULL,
    tried_at timestamptz NOT NULL,
    next_at timestamptz NOT NULL,
    CONSTRAINT campaign_late_key PRIMARY KEY (order_id, work),
    CONSTRAINT campaign_late_of_order FOREIGN KEY (order_id) REFERENCES channel_order,
    CONSTRAINT campaign_late_work CHECK (work IN ('give', 'take_back')),
    CONSTRAINT campaign_late_error_written CHECK (error <> '')
) WITH (fillfactor = 70);

CREATE INDEX campaign_late_next ON campaign_late (next_at);
