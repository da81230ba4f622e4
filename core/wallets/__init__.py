"""What buyers have with us: money in wallets, and points of programmes."""
