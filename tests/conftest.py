"""Fixtures that every test may use."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from tests.database import database_server, dsn, empty_dsn, pool

__all__ = ["database_server", "dsn", "empty_dsn", "pool"]

# No test asserts a time: how long examples take to draw says more of the machine than of us.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
