"""Speaks to Eneba: the connector for sellers of declared stock."""

from connectors.eneba.connector import Eneba

__all__ = ["Eneba"]
