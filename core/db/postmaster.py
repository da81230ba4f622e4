"""Moves one PostgreSQL cluster on disk: makes it, writes its settings, starts it, tells whether it lives."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from core.db.binaries import Installation
from core.errors import ServerUnavailable

SUPERUSER = "consignd"
_INITDB_SECONDS = 120
# A socket's whole path must fit 107 bytes on Linux, 103 elsewhere; its name takes 18.
_SOCKET_FOLDER_BYTES = 80
_SETTINGS_FILE = "consignd.conf"
_PRIVATE = 0o700
_TEMPORARY = "consignd-"
_NO_COMPLAINT = ("redirecting log output to", "Future log output will appear", "database system is shut down")

_SETTINGS = """\
# Written by consignd at each start; put changes of your own below the include in postgresql.conf.
listen_addresses = ''
unix_socket_directories = '"{socket_folder}"'
unix_socket_permissions = 0700
max_connections = 100
shared_buffers = 256MB
max_wal_size = 4GB
timezone = 'UTC'
log_timezone = 'UTC'
jit = off
fsync = {durable}
synchronous_commit = on
full_page_writes = {durable}
# A week of logs, a file a day.
logging_collector = on
log_directory = 'log'
log_filename = 'server-%a.log'
log_rotation_age = 1d
log_rotation_size = 0
log_truncate_on_rotation = on
log_checkpoints = off
"""


@dataclass(frozen=True, slots=True)
class Running:
    """A live postmaster, as its own pid file tells."""

    pid: int
    socket_folder: Path


@dataclass(frozen=True, slots=True)
class Cluster:
    """The folders of one cluster below a data directory. Its callers hold the start lock."""

    data_dir: Path

    @property
    def folder(self) -> Path:
        """Where PostgreSQL keeps its files."""
        return self.data_dir / "postgres"

    @property
    def _pid_file(self) -> Path:
        return self.folder / "postmaster.pid"

    @property
    def _socket_note(self) -> Path:
        """Which temporary folder has the socket; a start after a crash reads it."""
        return self.data_dir / "postgres-socket-folder"

    def running(self) -> Running | None:
        """The live postmaster of this cluster, or None."""
        try:
            lines = self._pid_file.read_text().splitlines()
        except FileNotFoundError:
            return None
        # A file cut short belongs to a postmaster that is just starting or died while it did.
        if len(lines) < 5 or not lines[0].isdigit() or not is_postmaster(int(lines[0]), self.folder):
            return None
        return Running(int(lines[0]), Path(lines[4]))

    def create(self, installation: Installation) -> None:
        """Make the cluster beside its place and move it there whole, so that a kill leaves no half of one."""
        for left_over in self.data_dir.glob("postgres.new-*"):
            shutil.rmtree(left_over, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=self.data_dir))
        installation.identity.own(folder)
        done = installation.run(
            "initdb",
            f"--pgdata={folder}",
            f"--username={SUPERUSER}",
            "--auth-local=trust",
            "--auth-host=reject",
            "--encoding=UTF8",
            "--locale=C",
            "--data-checksums",
            "--no-instructions",
            timeout_seconds=_INITDB_SECONDS,
        )
        if done.returncode != 0:
            shutil.rmtree(folder, ignore_errors=True)
            raise ServerUnavailable(
                f"initdb in {self.data_dir} failed: {last_lines(done.stderr or done.stdout)}"
            )
        (folder / "postgresql.conf").write_text(f"include '{_SETTINGS_FILE}'\n")
        folder.rename(self.folder)

    def refuse_other_version(self, installation: Installation) -> None:
        """A cluster of another major version cannot be opened; say so before the server does."""
        made_by = (self.folder / "PG_VERSION").read_text().strip()
        if made_by != str(installation.major):
            raise ServerUnavailable(
                f"{self.folder} was made by PostgreSQL {made_by} and {installation.folder} is "
                f"{installation.major}: point PG_BIN at the bin folder of a PostgreSQL {made_by}, "
                "or move the data with pg_dump"
            )

    def start(self, installation: Installation, *, durable: bool, timeout_seconds: float) -> str:
        """Start the postmaster and wait until it is ready; all it said of what went wrong, or nothing."""
        socket_folder = self._socket_folder(installation)
        self._write_settings(installation, socket_folder, durable=durable)
        self._forget_dead_postmaster(socket_folder)
        log = self.folder / "start.log"
        log.unlink(missing_ok=True)
        sizes = {path: path.stat().st_size for path in self._logs()}
        done = installation.run(
            "pg_ctl",
            "start",
            f"--pgdata={self.folder}",
            f"--log={log}",
            "--wait",
            f"--timeout={timeout_seconds:.0f}",
            timeout_seconds=timeout_seconds + 10,
        )
        if done.returncode == 0:
            return ""
        written = [path.read_bytes()[sizes.get(path, 0) :].decode(errors="replace") for path in self._logs()]
        lines = [line for text in written for line in text.splitlines()]
        complaints = [line for line in lines if not any(phrase in line for phrase in _NO_COMPLAINT)]
        return "\n".join(complaints) or done.stderr

    def _logs(self) -> list[Path]:
        return [*self.folder.glob("start.log"), *self.folder.glob("log/*.log")]

    def signal(self, running: Running, kind: signal.Signals) -> None:
        """Send the postmaster a signal; harmless if it is gone."""
        if is_postmaster(running.pid, self.folder):
            os.kill(running.pid, kind)

    def _forget_dead_postmaster(self, socket_folder: Path) -> None:
        # PostgreSQL takes any process with the pid in the file, a zombie or a stranger after a reboot too,
        # for a live postmaster. Whether old backends still use the shared memory it learns without the file.
        if self.running() is None:
            self._pid_file.unlink(missing_ok=True)
            for lock in socket_folder.glob(".s.PGSQL.*.lock"):
                lock.unlink()

    def _write_settings(self, installation: Installation, socket_folder: Path, *, durable: bool) -> None:
        settings = _SETTINGS.format(
            socket_folder=str(socket_folder).replace("'", "''"),
            durable="on" if durable else "off",
        )
        path = self.folder / _SETTINGS_FILE
        path.write_text(settings)
        installation.identity.own(path, self.folder / "postgresql.conf")

    def _socket_folder(self, installation: Installation) -> Path:
        """A private folder for the socket: in the data directory, or if that is too deep, a temporary one."""
        folder = self.data_dir / "postgres-socket"
        if len(os.fsencode(folder)) > _SOCKET_FOLDER_BYTES:
            folder = self._remembered_socket_folder(installation)
        folder.mkdir(mode=_PRIVATE, exist_ok=True)
        folder.chmod(_PRIVATE)
        installation.identity.own(folder)
        return folder

    def _remembered_socket_folder(self, installation: Installation) -> Path:
        owners = {os.geteuid(), installation.identity.uid}
        note = self._socket_note
        if note.exists():
            folder = Path(note.read_text().strip())
            # The temp folder is everybody's: what stands there now must still be ours.
            if folder.is_dir() and not folder.is_symlink() and folder.stat().st_uid in owners:
                return folder
        folder = Path(tempfile.mkdtemp(prefix=_TEMPORARY))
        note.write_text(f"{folder}\n")
        return folder

    def forget_socket_folder(self) -> None:
        """Remove the temporary folder of the socket, if there is one and no server is using it.

        Nothing but sockets is removed from it: what was put there by others is theirs, and keeps it.
        """
        if self.running() is not None or not self._socket_note.exists():
            return
        folder = Path(self._socket_note.read_text().strip())
        if folder.name.startswith(_TEMPORARY) and folder.is_dir() and not folder.is_symlink():
            with suppress(OSError):
                for socket in folder.glob(".s.PGSQL.*"):
                    socket.unlink()
                folder.rmdir()
        self._socket_note.unlink()


def is_postmaster(pid: int, folder: Path) -> bool:
    """Whether this process lives and serves this cluster: a zombie or a stranger of that pid does not."""
    process = Path("/proc") / str(pid)
    if not Path("/proc/self/stat").exists():
        return _answers_signals(pid)
    try:
        state = (process / "stat").read_text(errors="replace").rpartition(")")[2].split()[0]
        arguments = (process / "cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX" and os.fsencode(folder) in arguments


def _answers_signals(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def last_lines(text: str) -> str:
    """The end of what a program said, as one line."""
    return "; ".join(text.strip().splitlines()[-4:])
