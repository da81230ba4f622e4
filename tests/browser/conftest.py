"""A real browser, and for each test a web room with a busy day in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Browser

from core.db.pool import open_pool
from tests.browser.visitor import Visitor, browse, open_visitor
from tests.database import TestServer
from tests.web.bench import open_room
from tests.web.furnished import furnish


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """One browser for all tests of a module; each has windows of its own in it."""
    async with browse() as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def visitor(browser: Browser, database_server: TestServer, tmp_path: Path) -> AsyncIterator[Visitor]:
    """An administrator, signed in to a console with a busy day behind it."""
    name = await database_server.create()
    pool = await open_pool(database_server.dsn_of(name), min_size=1, max_size=16, application_name="test")
    try:
        async with open_room(pool, tmp_path) as room:
            listing_id = await furnish(room)
            async with open_visitor(browser, room, listing_id) as opened:
                yield opened
    finally:
        pool.terminate()
        await database_server.drop(name)
