"""Speak: the connector kit, one folder per marketplace, and sandbox servers to try them on."""
