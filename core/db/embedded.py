"""Decides when the embedded PostgreSQL runs: the first to need it starts it, the last to leave stops it.

Each process that uses the server shares a lock on `postgres.users`; starting, adopting and stopping happen
one at a time under `postgres.start`. The kernel frees the locks of killed processes, so a server they left
behind is adopted.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import asyncpg
import structlog

from core.db.binaries import Installation, find_installation
from core.db.file_lock import FileLock
from core.db.postmaster import SUPERUSER, Cluster, Running, is_postmaster, last_lines
from core.errors import ServerUnavailable

DATABASE = "consignd"
_START_SECONDS = 120.0  # recovery after a kill under load included
_LEAVE_SECONDS = 5.0
_FAST_STOP_SECONDS = 30.0
_IMMEDIATE_STOP_SECONDS = 10.0
_CONNECT_SECONDS = 5.0
_LOOK_AGAIN_SECONDS = 0.05

# What a start says while another postmaster of the cluster, or what a killed one left, is still going away.
_PASSING = ("pre-existing shared memory block", "lock file")

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class EmbeddedServer:
    """One process's use of the PostgreSQL in a data directory.

    Not durable means that a crash of the machine may lose data; a kill of the server never does.
    """

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        self._data_dir = data_dir.absolute()
        self._durable = durable
        self._start_lock = FileLock(self._data_dir / "postgres.start")
        self._users_lock = FileLock(self._data_dir / "postgres.users")

    async def start(self) -> str:
        """Start or adopt the server and become one of its users; the DSN. Again: revive a dead server."""
        self._make_data_dir()
        await self._start_lock.alone(_START_SECONDS)
        try:
            already_user = self._users_lock.held
            shared = already_user or self._users_lock.try_shared()
            assert shared, "only a holder of the start lock may hold the users lock alone"
            try:
                return await self._ensure_running()
            except BaseException:
                if not already_user:
                    self._abandon()
                raise
        finally:
            self._start_lock.release()

    async def stop(self) -> None:
        """Leave; the last user stops the server, and waits until it is down."""
        if not self._users_lock.held:
            return
        try:
            await self._start_lock.alone(_LEAVE_SECONDS)
        except ServerUnavailable:
            # Whoever keeps the lock is a user too, and will be the last one.
            self._users_lock.release()
            return
        try:
            if self._users_lock.try_alone():
                await self._shut_down()
        finally:
            self._users_lock.release()
            self._start_lock.release()

    async def alive(self) -> bool:
        """Whether the server runs and answers."""
        running = await asyncio.to_thread(self._cluster().running)
        return running is not None and await _answers(_dsn(running.socket_folder))

    def _cluster(self) -> Cluster:
        return Cluster(self._data_dir.resolve())

    def _make_data_dir(self) -> None:
        # Root's server runs as another user, who must pass through this folder but need not list it.
        mode = 0o711 if os.geteuid() == 0 else 0o700
        try:
            if not self._data_dir.exists():
                self._data_dir.mkdir(parents=True, exist_ok=True)
                self._data_dir.chmod(mode)
        except OSError as error:
            raise ServerUnavailable(
                f"{self._data_dir}: {error.strerror}; make this folder or choose another CONSIGND_DATA_DIR"
            ) from error

    async def _ensure_running(self) -> str:
        cluster = self._cluster()
        if running := cluster.running():
            adopted = await self._adopt(cluster, running)
            if adopted:
                return adopted
        installation = await asyncio.to_thread(find_installation, cluster.data_dir, cluster.folder)
        if not cluster.folder.exists():
            await asyncio.to_thread(cluster.create, installation)
            log.info("postgres.created", folder=str(cluster.folder), version=installation.major)
        cluster.refuse_other_version(installation)
        return await self._launch(cluster, installation)

    async def _adopt(self, cluster: Cluster, running: Running) -> str | None:
        """Use a server that already runs; None if it dies before it answers."""
        deadline = time.monotonic() + _START_SECONDS
        dsn = _dsn(running.socket_folder)
        while not await _answers(dsn):
            if cluster.running() is None:
                return None
            _refuse_after(deadline, cluster, "runs but does not answer")
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        await _ensure_database(running.socket_folder)
        log.info("postgres.adopted", pid=running.pid, folder=str(cluster.folder))
        return dsn

    async def _launch(self, cluster: Cluster, installation: Installation) -> str:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            said = await asyncio.to_thread(
                cluster.start, installation, durable=self._durable, timeout_seconds=_START_SECONDS
            )
            running = cluster.running()
            if running is not None:
                await _ensure_database(running.socket_folder)
                log.info(
                    "postgres.started",
                    pid=running.pid,
                    folder=str(cluster.folder),
                    version=installation.major,
                    uid=installation.identity.uid,
                    mapped=installation.identity.mapped,
                )
                return _dsn(running.socket_folder)
            if not any(phrase in said for phrase in _PASSING):
                raise ServerUnavailable(
                    f"PostgreSQL in {cluster.folder} did not start: {last_lines(said)}; "
                    f"see {cluster.folder}/log"
                )
            _refuse_after(deadline, cluster, f"did not start: {last_lines(said)}")
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    async def _shut_down(self) -> None:
        cluster = self._cluster()
        running = cluster.running()
        if running is None:
            cluster.forget_socket_folder()
            return
        ways = ((signal.SIGINT, _FAST_STOP_SECONDS), (signal.SIGQUIT, _IMMEDIATE_STOP_SECONDS))
        for kind, timeout_seconds in ways:
            cluster.signal(running, kind)
            for _ in range(int(timeout_seconds / _LOOK_AGAIN_SECONDS)):
                if not is_postmaster(running.pid, cluster.folder):
                    cluster.forget_socket_folder()
                    log.info("postgres.stopped", pid=running.pid, how=kind.name)
                    return
                await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        log.error("postgres.not_stopped", pid=running.pid, folder=str(cluster.folder))

    def _abandon(self) -> None:
        """Leave at once after a start that failed or was cancelled, without waiting for anything."""
        cluster = self._cluster()
        if self._users_lock.try_alone():
            if running := cluster.running():
                cluster.signal(running, signal.SIGINT)
            else:
                cluster.forget_socket_folder()
        self._users_lock.release()


@asynccontextmanager
async def embedded_server(data_dir: Path) -> AsyncIterator[str]:
    """The DSN of the embedded server, running at least as long as the block."""
    server = EmbeddedServer(data_dir)
    dsn = await server.start()
    try:
        yield dsn
    finally:
        await server.stop()


def _dsn(socket_folder: Path, database: str = DATABASE) -> str:
    return f"postgresql://{SUPERUSER}@/{database}?host={quote(str(socket_folder), safe='/')}&port=5432"


def _refuse_after(deadline: float, cluster: Cluster, what: str) -> None:
    if time.monotonic() > deadline:
        raise ServerUnavailable(f"PostgreSQL in {cluster.folder} {what}; see {cluster.folder}/log")


async def _answers(dsn: str) -> bool:
    try:
        conn = await asyncpg.connect(dsn, timeout=_CONNECT_SECONDS)
    except (asyncpg.TooManyConnectionsError, asyncpg.InvalidCatalogNameError):
        return True  # it refuses us, so it is up
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
        return False
    await conn.close(timeout=_CONNECT_SECONDS)
    return True


async def _ensure_database(socket_folder: Path) -> None:
    """Make our database if it is not there yet: a start may have been cut off before it came to this."""
    try:
        try:
            conn = await asyncpg.connect(_dsn(socket_folder), timeout=_CONNECT_SECONDS)
        except asyncpg.InvalidCatalogNameError:
            conn = await asyncpg.connect(_dsn(socket_folder, "postgres"), timeout=_CONNECT_SECONDS)
            await conn.execute("CREATE DATABASE consignd")
        await conn.close(timeout=_CONNECT_SECONDS)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        raise ServerUnavailable(
            f"PostgreSQL on {socket_folder} went away while it started: {error}"
        ) from error
