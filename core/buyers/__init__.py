"""Who buys: one person over all channels, and what is known of them."""
