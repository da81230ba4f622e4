"""Decides at what price a listing stands: facts and a rule go in, a price and its explanation come out."""
