"""Decides what campaigns give to buyers and referrers of delivered orders, gives it, and takes it back."""
