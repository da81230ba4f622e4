-- What stock and price rules tell SKUs apart by.

ALTER TABLE sku
    ADD COLUMN tags text[] NOT NULL DEFAULT '{}',
    -- A tag is a word of the settings file: what could not be written there would never match.
    ADD CONSTRAINT sku_tags_written CHECK (
        array_position(tags, NULL) IS NULL AND array_position(tags, '') IS NULL
        AND cardinality(tags) <= 65
    );
