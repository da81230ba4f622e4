-- Orders that a channel took back while nobody knew whether their codes had arrived. It is said once, so it is
-- written down: when the delivery turns out to have succeeded, the sale is reversed.

CREATE TABLE taken_back (
    order_id bigint NOT NULL,
    told_at timestamptz NOT NULL,
    actor text NOT NULL,
    reason text NOT NULL,
    CONSTRAINT taken_back_key PRIMARY KEY (order_id)
);

CREATE TRIGGER taken_back_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON taken_back
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
