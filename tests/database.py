"""Gives each test a database of its own: one server for the run, one migrated template, a clone per test."""

from __future__ import annotations

import asyncio
import fcntl
import itertools
import os
from collections.abc import AsyncIterator, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import asyncpg
import pytest

from core.db.embedded import EmbeddedServer
from core.db.migrate import migrate
from core.db.pool import Pool, open_pool

TEMPLATE = "consignd_template"
_NUMBERS = itertools.count()
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class TestServer:
    """The run's server: its own database to give orders from, and the migrated template."""

    __test__ = False

    dsn: str
    template: str

    def dsn_of(self, database: str) -> str:
        """The DSN of another database on this server."""
        return self.dsn.replace("@/consignd?", f"@/{database}?")

    async def create(self, *, template: str | None = None) -> str:
        """A database nobody else uses, cloned from the migrated template or from another; its name."""
        name = f"t_{os.getpid()}_{next(_NUMBERS)}"
        source = self.template if template is None else template
        await self._order(f"CREATE DATABASE {name} TEMPLATE {source} STRATEGY wal_log")
        return name

    async def drop(self, name: str) -> None:
        """Remove a database, whoever is still connected to it."""
        await self._order(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    async def _order(self, statement: str) -> None:
        conn = await asyncpg.connect(self.dsn)
        try:
            await conn.execute(statement)
        finally:
            await conn.close()


@pytest.fixture(scope="session")
def database_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServer]:
    """The PostgreSQL of this test run, shared by all workers; the last one to end stops it."""
    base = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        base = base.parent
    yield from serve(base / "postgres-of-the-run")


def serve(folder: Path) -> Iterator[TestServer]:
    """A server in a folder, with the migrated template, until the generator is closed."""
    # A crash of the machine need not spare the data of a test run.
    server = EmbeddedServer(folder, durable=False)
    dsn = _run(server.start())
    try:
        _make_template(dsn, folder / "template.lock")
        yield TestServer(dsn, TEMPLATE)
    finally:
        _run(server.stop())


@pytest.fixture
async def dsn(database_server: TestServer) -> AsyncIterator[str]:
    """The DSN of a migrated database that is this test's own."""
    name = await database_server.create()
    try:
        yield database_server.dsn_of(name)
    finally:
        await database_server.drop(name)


@pytest.fixture
async def empty_dsn(database_server: TestServer) -> AsyncIterator[str]:
    """The DSN of a database with nothing in it, this test's own."""
    name = await database_server.create(template="template0")
    try:
        yield database_server.dsn_of(name)
    finally:
        await database_server.drop(name)


@pytest.fixture
async def pool(dsn: str) -> AsyncIterator[Pool]:
    """A pool on this test's own migrated database."""
    opened = await open_pool(dsn, min_size=1, max_size=16, application_name="test")
    try:
        yield opened
    finally:
        opened.terminate()


def _run(work: Coroutine[None, None, _T]) -> _T:
    # asyncio.run would take away the event loop that the test runner has set.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(work)


def _make_template(dsn: str, lock: Path) -> None:
    """One worker makes the template; the others wait for it."""
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        _run(_migrated_template(dsn))


async def _migrated_template(dsn: str) -> None:
    conn = await asyncpg.connect(dsn)
    try:
        if await conn.fetchval("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", TEMPLATE):
            return
        # Renamed when it is done, so that a worker that failed half-way leaves no half template behind.
        await conn.execute("DROP DATABASE IF EXISTS consignd_unfinished WITH (FORCE)")
        await conn.execute("CREATE DATABASE consignd_unfinished TEMPLATE template0")
        inside = await asyncpg.connect(dsn.replace("@/consignd?", "@/consignd_unfinished?"))
        try:
            await migrate(inside)
        finally:
            await inside.close()
        await conn.execute(f"ALTER DATABASE consignd_unfinished RENAME TO {TEMPLATE}")
    finally:
        await conn.close()
