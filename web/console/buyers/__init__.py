"""Pages on buyers, and on what is sold to them beside the price: coupons, groups, flash sales."""
