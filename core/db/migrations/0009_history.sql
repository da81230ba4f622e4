-- What was measured: what sold where and when, how much stood there day by day, how late channels learn of sales.
-- Nothing here is truth that cannot be counted again, except lags, which are kept for some days.

-- Orders lie in the order of time, so a few pages of minima and maxima find those of an hour; it costs writers next
-- to nothing, as a tree would not.
CREATE INDEX channel_order_by_time ON channel_order USING brin (created_at)
    WITH (pages_per_range = 32, autosummarize = on);

-- How far each sweep has come. Its row is locked while it is at work, so daemons never do the same twice.
CREATE TABLE history_cursor (
    subject text NOT NULL,
    reached timestamptz NOT NULL,
    CONSTRAINT history_cursor_key PRIMARY KEY (subject)
);

INSERT INTO history_cursor (subject, reached)
VALUES ('sales', date_trunc('hour', now() - interval '30 days')),
    ('late sales', date_trunc('hour', now() - interval '30 days')),
    ('levels', to_timestamp(0)),
    ('lags', to_timestamp(0)),
    ('old', to_timestamp(0));

-- Units that orders took or wanted, by the hour they came in.
CREATE TABLE sale_hour (
    sku_id int NOT NULL,
    channel_id int NOT NULL,
    hour timestamptz NOT NULL,
    units bigint NOT NULL,
    lines bigint NOT NULL,
    -- Units of orders that were refused for want of codes.
    refused_units bigint NOT NULL,
    CONSTRAINT sale_hour_key PRIMARY KEY (sku_id, channel_id, hour)
) WITH (fillfactor = 80);

-- The same as two sums that fade, with different half-lives, as they stood at counted_at: what a claim reads.
CREATE TABLE selling (
    sku_id int NOT NULL,
    channel_id int NOT NULL,
    quick_units float8 NOT NULL,
    slow_units float8 NOT NULL,
    slow_lines float8 NOT NULL,
    counted_at timestamptz NOT NULL,
    first_sold_at timestamptz NOT NULL,
    last_sold_at timestamptz NOT NULL,
    CONSTRAINT selling_key PRIMARY KEY (sku_id, channel_id)
) WITH (fillfactor = 70);

-- Free codes of a SKU, looked at once an hour, day by day.
CREATE TABLE stock_day (
    sku_id int NOT NULL,
    day date NOT NULL,
    samples int NOT NULL,
    units_sum bigint NOT NULL,
    lowest bigint NOT NULL,
    highest bigint NOT NULL,
    CONSTRAINT stock_day_key PRIMARY KEY (sku_id, day)
) WITH (fillfactor = 70);

-- Lags by the hour they ended in; a bucket's width is a quarter of a doubling, counted from a millisecond.
CREATE TABLE publish_lag (
    channel_id int NOT NULL,
    hour timestamptz NOT NULL,
    bucket smallint NOT NULL,
    samples bigint NOT NULL,
    longest_seconds float8 NOT NULL,
    CONSTRAINT publish_lag_key PRIMARY KEY (channel_id, hour, bucket)
) WITH (fillfactor = 70);

-- The lags of the last days in one row per channel: what a claim reads.
CREATE TABLE channel_lag (
    channel_id int NOT NULL,
    buckets smallint[] NOT NULL,
    weights float8[] NOT NULL,
    measured_at timestamptz NOT NULL,
    CONSTRAINT channel_lag_key PRIMARY KEY (channel_id)
);

-- What is left of a sum that fades, after so many seconds. What is 100 half-lives old is gone: float8 would refuse it.
CREATE FUNCTION faded(p_units float8, p_seconds float8, p_half_life_seconds float8) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN p_seconds <= 0 THEN p_units
    WHEN p_seconds > 100 * p_half_life_seconds THEN 0
    ELSE p_units * power(2::float8, -p_seconds / p_half_life_seconds)
END;

-- The oldest sale elsewhere that the offer has not answered yet: before it is told, and while it is being told.
ALTER TABLE offer
    ADD COLUMN sale_at timestamptz,
    ADD COLUMN told_sale_at timestamptz;
