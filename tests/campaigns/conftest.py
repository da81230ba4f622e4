"""Gives campaigns a server of their own: like sealing, granting waits for whoever writes on a server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.db.pool import Pool
from tests.campaigns.bench import Bench
from tests.database import TestServer, serve


@pytest.fixture(scope="session")
def database_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServer]:
    """The PostgreSQL of one worker's tests of campaigns."""
    yield from serve(tmp_path_factory.mktemp("campaigns") / "postgres")


@pytest.fixture
async def bench(pool: Pool) -> Bench:
    """A shop with plenty of codes, and campaigns that grant by hand."""
    return await Bench.open(pool)
