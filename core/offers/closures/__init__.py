"""Decides what takes offers off whatever the rules say: switches, pauses, the guard."""
