"""The oldest server we take runs the same schema and statements; skipped where it is not installed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from core.codes.allocator import Allocator
from core.db.embedded import EmbeddedServer
from core.db.migrate import migrate
from core.db.pool import OLDEST_MAJOR, Pool, open_pool
from core.db.queries import all_query_files
from core.types import OrderState
from tests.factories import NOW, add_shop, request

PROGRAMS = Path(f"/usr/lib/postgresql/{OLDEST_MAJOR}/bin")

pytestmark = pytest.mark.skipif(not PROGRAMS.is_dir(), reason=f"no PostgreSQL {OLDEST_MAJOR} on this machine")


@pytest.fixture
async def oldest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pool]:
    """A migrated database on a server of its own."""
    monkeypatch.setenv("PG_BIN", str(PROGRAMS))
    server = EmbeddedServer(tmp_path / "data", durable=False)
    dsn = await server.start()
    try:
        conn = await asyncpg.connect(dsn)
        assert conn.get_server_version().major == OLDEST_MAJOR
        await migrate(conn)
        await conn.close()
        pool = await open_pool(dsn, application_name="test")
        try:
            yield pool
        finally:
            pool.terminate()
    finally:
        await server.stop()


async def test_every_query_is_prepared_and_codes_are_sold_once(oldest: Pool) -> None:
    async with oldest.acquire() as conn:
        for queries in all_query_files():
            for sql in queries.values():
                await conn.prepare(sql)
    shop = await add_shop(oldest, codes=5)
    allocator = Allocator(oldest, lambda: NOW)
    answers = await asyncio.gather(*(allocator.reserve(request(shop)) for _ in range(40)))
    assert sum(answer.state is OrderState.ACCEPTED for answer in answers) == 5
