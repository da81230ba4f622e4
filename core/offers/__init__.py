"""Decides what each listing shows: catalogue, quantity, price, and what channels have been told."""
