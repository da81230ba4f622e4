"""Decides about money: amounts, shares, split plans, the journal."""
