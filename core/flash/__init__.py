"""Decides what a flash sale lets be shown and bought: the quota that is left, and how much one buyer may take."""
