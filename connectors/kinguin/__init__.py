"""Kinguin: one reservation per key, told by webhook, served by an upload within fifteen minutes."""

from connectors.kinguin.connector import Kinguin

__all__ = ["Kinguin"]
