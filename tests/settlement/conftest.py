"""Gives settlements a server of their own: collecting waits for whoever writes anywhere on a server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.database import TestServer, serve


@pytest.fixture(scope="session")
def database_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServer]:
    """The PostgreSQL of one worker's tests of settlements."""
    yield from serve(tmp_path_factory.mktemp("settlement") / "postgres")
