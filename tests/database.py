"""Gives each test a database of its own: one server for the run, one migrated template, a clone per test."""

from __future__ import annotations

import asyncio
import fcntl
import itertools
import os
import shutil
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
# A database is a thousand files: on a disk's file system a clone cost ten times what it costs in memory.
MEMORY = Path("/dev/shm")
_RUN = "consignd-tests-"
_ROOM_BYTES = 2 << 30
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
        await self._order(f"CREATE DATABASE {name} TEMPLATE {source} STRATEGY file_copy")
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
    """A server for a folder, with the migrated template, until the generator is closed."""
    place = _in_memory(folder) or folder
    # A crash of the machine need not spare the data of a test run.
    server = EmbeddedServer(place, durable=False)
    dsn = _run(server.start())
    try:
        _make_template(dsn, place / "template.lock")
        yield TestServer(dsn, TEMPLATE)
    finally:
        _run(server.stop())


def forget_run() -> None:
    """Give back the memory of this run, and of runs that were killed: a server without files ends itself."""
    for left in MEMORY.glob(f"{_RUN}*"):
        pid = left.name.removeprefix(_RUN)
        if pid == str(_run_pid()) or not Path("/proc", pid).exists():
            shutil.rmtree(left, ignore_errors=True)


def _in_memory(folder: Path) -> Path | None:
    """Where the files of that folder can stand in memory, if there is room for them."""
    if not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < _ROOM_BYTES:
        return None
    run = MEMORY / f"{_RUN}{_run_pid()}"
    # The server runs as another user where the tests run as root: it must pass through.
    run.mkdir(mode=0o711, exist_ok=True)
    return run / "-".join(folder.parts[-3:])


def _run_pid() -> int:
    """The process that the run was started as: all its workers share it."""
    return os.getppid() if os.environ.get("PYTEST_XDIST_WORKER") else os.getpid()


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
        # What is written ahead stays small: it may stand in memory.
        await conn.execute("ALTER SYSTEM SET max_wal_size = '256MB'")
        await conn.execute("SELECT pg_reload_conf()")
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
