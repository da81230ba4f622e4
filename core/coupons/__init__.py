"""Coupons as codes of their own: what they take off, for whom, and what became of each."""
