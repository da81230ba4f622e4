"""Decides when and how payees are paid what they are owed, and what they are told of it."""
