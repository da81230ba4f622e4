"""Decides: the domain of consignd and the only SQL."""
