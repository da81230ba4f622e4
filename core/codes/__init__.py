"""Decides about codes: sealing, import, allocation, custody."""
