"""Decides what a flash sale lets be shown and bought: the quota that is left, and a buyer's part of it."""
