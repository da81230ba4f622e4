-- What orders take of a flash sale's quota, listing by listing, so that what was sold beyond it is known at once.

CREATE TABLE flash_take (
    listing_id int NOT NULL,
    sale text NOT NULL,
    sale_from timestamptz NOT NULL,
    channel_id int NOT NULL,
    order_ref text NOT NULL,
    pieces int NOT NULL,
    -- sold: it counts, while its order stays sold. over: it came at the sale's price when no more was left, and is
    -- not to be sold. beside: the listing was back at its usual price, so it is none of the sale's business.
    verdict text NOT NULL,
    taken_at timestamptz NOT NULL,
    -- Begins with what is summed.
    CONSTRAINT flash_take_key PRIMARY KEY (listing_id, sale, sale_from, order_ref),
    CONSTRAINT flash_take_of_listing FOREIGN KEY (listing_id) REFERENCES listing,
    CONSTRAINT flash_take_of_channel FOREIGN KEY (channel_id) REFERENCES channel,
    CONSTRAINT flash_take_pieces CHECK (pieces > 0),
    CONSTRAINT flash_take_verdict CHECK (verdict IN ('sold', 'over', 'beside'))
);

-- How many pieces of a listing a sale has sold that stay sold, and when the last of them was taken. Orders that ended
-- unsold count no more, nor do those that were never written after all.
CREATE FUNCTION flash_sold(p_listing_id int, p_sale text, p_sale_from timestamptz, p_now timestamptz)
RETURNS TABLE (pieces int, last_at timestamptz)
LANGUAGE sql STABLE
AS $$
    SELECT coalesce(sum(flash_take.pieces), 0)::int, max(flash_take.taken_at)
    FROM flash_take
    LEFT JOIN order_now ON order_now.channel_id = flash_take.channel_id
        AND order_now.order_ref = flash_take.order_ref
    WHERE flash_take.listing_id = p_listing_id
        AND flash_take.sale = p_sale
        AND flash_take.sale_from = p_sale_from
        AND flash_take.verdict = 'sold'
        AND CASE
            WHEN order_now.order_id IS NULL THEN flash_take.taken_at > p_now - interval '1 hour'
            ELSE order_now.state NOT IN ('cancelled', 'refunded', 'released', 'refused')
        END
$$;
