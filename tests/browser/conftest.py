"""A real browser, and a web room with a busy day in it, for all tests of a module."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from core.db.pool import Pool
from tests.browser.visitor import Visitor, browse, open_visitor
from tests.web.bench import open_room
from tests.web.furnished import furnish


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A browser of this test's own."""
    async with browse() as opened:
        yield opened


@pytest.fixture
async def visitor(browser: Browser, pool: Pool, tmp_path: Path) -> AsyncIterator[Visitor]:
    """An administrator, signed in to a console with a busy day behind it."""
    async with open_room(pool, tmp_path) as room:
        listing_id = await furnish(room)
        async with open_visitor(browser, room, listing_id) as opened:
            yield opened
