"""Decides what it means that a channel shows something else than it was told, and what is done about it."""
