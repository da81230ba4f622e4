"""Starts embedded servers for tests, in this process and in another one, and asks them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from core.db.embedded import EmbeddedServer
from core.db.postmaster import Cluster

REPOSITORY = Path(__file__).parents[2]


# Starts the server, says so, and waits to be killed.
CHILD = """
import asyncio, sys
from pathlib import Path
from core.db.embedded import EmbeddedServer

async def main():
    server = EmbeddedServer(Path(sys.argv[1]), durable=False)
    await server.start()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await server.stop()

asyncio.run(main())
"""


@asynccontextmanager
async def server_in(folder: Path) -> AsyncIterator[tuple[EmbeddedServer, str]]:
    server = EmbeddedServer(folder, durable=False)
    dsn = await server.start()
    try:
        yield server, dsn
    finally:
        await server.stop()


async def ask(dsn: str, query: str) -> object:
    conn = await asyncpg.connect(dsn)
    try:
        answer: object = await conn.fetchval(query)
    finally:
        await conn.close()
    return answer


async def keep_a_row(dsn: str) -> None:
    await ask(dsn, "CREATE TABLE kept AS SELECT 42 AS answer")


def cluster_in(folder: Path) -> Cluster:
    return Cluster(folder.resolve())


def owner_of_process(pid: int | None) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


def pid_in(folder: Path) -> int | None:
    running = cluster_in(folder).running()
    return running.pid if running else None


def start_child(folder: Path) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder)],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    for line in child.stdout:  # log lines come before
        if line == "ready\n":
            return child
    raise AssertionError(f"the child ended with {child.wait(10)}")


def end(child: subprocess.Popen[str], kind: signal.Signals) -> None:
    child.send_signal(kind)
    child.communicate(timeout=60)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A data directory; whatever a failed test leaves running in it is ended."""
    yield tmp_path / "data"
    for data_dir in (tmp_path / "data", *tmp_path.glob("*/data")):
        if running := Cluster(data_dir.resolve()).running():
            os.kill(running.pid, signal.SIGQUIT)
        shutil.rmtree(data_dir, ignore_errors=True)
