"""The embedded PostgreSQL survives kills, what they leave behind, and starts that are cut off."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from core.db.embedded import EmbeddedServer
from tests.db.clusters import (
    ask,
    end,
    keep_a_row,
    pid_in,
    server_in,
    start_child,
)


async def test_a_killed_postmaster_is_revived_with_its_rows_at_the_same_address(folder: Path) -> None:
    async with server_in(folder) as (server, dsn):
        await keep_a_row(dsn)
        for _ in range(3):
            killed = pid_in(folder)
            assert killed is not None
            os.kill(killed, signal.SIGKILL)
            assert await server.start() == dsn
            assert await server.alive()
            assert pid_in(folder) not in (None, killed)
            assert await ask(dsn, "SELECT answer FROM kept") == 42


async def test_a_revival_waits_until_the_killed_servers_last_query_is_gone(folder: Path) -> None:
    async with server_in(folder) as (server, dsn):
        await keep_a_row(dsn)
        # A backend that computes does not notice the death of its postmaster.
        busy = asyncio.create_task(ask(dsn, "SELECT count(*) FROM generate_series(1, 20000000) AS n"))
        await asyncio.sleep(0.3)
        killed = pid_in(folder)
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        assert await ask(await server.start(), "SELECT answer FROM kept") == 42
        await asyncio.gather(busy, return_exceptions=True)


async def test_a_revival_waits_also_while_the_killed_servers_remains_fill_the_log(folder: Path) -> None:
    async with server_in(folder) as (server, dsn):
        await keep_a_row(dsn)
        busy = asyncio.create_task(ask(dsn, "SELECT count(*) FROM generate_series(1, 20000000) AS n"))
        await asyncio.sleep(0.3)
        killed = pid_in(folder)
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        talker = asyncio.create_task(talk_in(log_of(folder)))
        assert await ask(await server.start(), "SELECT answer FROM kept") == 42
        talker.cancel()
        await asyncio.gather(busy, talker, return_exceptions=True)


def log_of(folder: Path) -> Path:
    [log] = folder.glob("postgres/log/*.log")
    return log


async def talk_in(log: Path) -> None:
    """What is left of the killed server says more after the new one has said why it cannot start."""
    while True:
        with log.open("a") as file:
            file.writelines(["LOG:  redo starts somewhere\n"] * 5)
        await asyncio.sleep(0.005)


async def test_a_dead_server_is_not_alive(folder: Path) -> None:
    async with server_in(folder) as (server, _):
        killed = pid_in(folder)
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        for _ in range(1000):
            if pid_in(folder) is None:
                break
            await asyncio.sleep(0.01)
        assert not await server.alive()


async def test_another_process_keeps_it_running(folder: Path) -> None:
    child = await asyncio.to_thread(start_child, folder)
    async with server_in(folder):
        pass
    assert pid_in(folder) is not None
    await asyncio.to_thread(child.communicate, "leave\n", 60)
    assert child.returncode == 0
    assert pid_in(folder) is None


async def test_what_a_killed_process_left_behind_is_adopted_and_then_stopped(folder: Path) -> None:
    child = await asyncio.to_thread(start_child, folder)
    orphan = pid_in(folder)
    assert orphan is not None
    await asyncio.to_thread(end, child, signal.SIGKILL)
    async with server_in(folder) as (server, _):
        assert pid_in(folder) == orphan
        assert await server.alive()
    assert pid_in(folder) is None


async def test_an_interrupt_of_the_terminal_does_not_reach_the_server(folder: Path) -> None:
    async with server_in(folder):
        running = pid_in(folder)
        assert running is not None
        assert os.getpgid(running) != os.getpgid(0)
        assert os.getsid(running) != os.getsid(0)


async def test_a_pid_file_that_names_a_stranger_is_not_believed(folder: Path) -> None:
    async with server_in(folder) as (_, dsn):
        await keep_a_row(dsn)
        pid_file = (folder / "postgres" / "postmaster.pid").read_text()
    stranger = "\n".join([str(os.getpid()), *pid_file.splitlines()[1:]])
    (folder / "postgres" / "postmaster.pid").write_text(stranger + "\n")
    async with server_in(folder) as (_, dsn):
        assert await ask(dsn, "SELECT answer FROM kept") == 42


async def test_half_an_initdb_left_by_a_kill_is_swept_away(folder: Path) -> None:
    half = folder / "postgres.new-half"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    async with server_in(folder):
        assert not half.exists()


async def test_a_start_that_is_cancelled_leaves_nothing_locked(folder: Path) -> None:
    server = EmbeddedServer(folder, durable=False)
    starting = asyncio.create_task(server.start())
    await asyncio.sleep(0.1)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    async with server_in(folder) as (_, dsn):
        assert await ask(dsn, "SELECT 1") == 1
    assert pid_in(folder) is None
