"""Fixtures that every test may use."""

from __future__ import annotations

from tests.database import database_server, dsn, empty_dsn, pool

__all__ = ["database_server", "dsn", "empty_dsn", "pool"]
