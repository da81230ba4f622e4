"""A web room of its own for each test that asks for one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.db.pool import Pool
from tests.web.bench import Room, open_room


@pytest.fixture
async def room(pool: Pool, tmp_path: Path) -> AsyncIterator[Room]:
    """Four channels, one SKU, ten codes."""
    async with open_room(pool, tmp_path) as opened:
        yield opened
