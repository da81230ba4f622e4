"""Gives coupons a server of their own, as following refunds waits for whoever writes on it; and a house."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.database import TestServer, serve
from tests.scheduler.conftest import house

__all__ = ["house"]


@pytest.fixture(scope="session")
def database_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServer]:
    """The PostgreSQL of one worker's tests of coupons."""
    yield from serve(tmp_path_factory.mktemp("coupons") / "postgres")
