"""Decides at what price a listing stands: facts and a rule go in, a price with its explanation comes out. Pure."""
