"""Fixtures that every test may use."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

from tests.database import database_server, dsn, empty_dsn, forget_run, pool

__all__ = ["database_server", "dsn", "empty_dsn", "pool"]

_LONG = {"e2e", "browser", "simulation", "connectors"}

# No test asserts a time: how long examples take to draw says more of the machine than of us.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files whose tests take long go first: at the end, one worker would be left alone with them."""
    items.sort(key=lambda item: not _LONG.intersection(item.path.parts[-2:]))


def pytest_unconfigure(config: pytest.Config) -> None:
    """The process that started the run cleans up after all its workers."""
    if not hasattr(config, "workerinput"):
        forget_run()
