"""Tells how things stand, for API and console: read models in plain SQL, without decisions."""
