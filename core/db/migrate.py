"""Moves the schema forward: numbered SQL files, each applied once, whole, under a lock, and never changed."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

import asyncpg

from core.db.pool import Connection
from core.db.queries import load_queries
from core.errors import DatabaseRefused, MigrationChanged, SchemaNewer, SchemaOlder

_QUERIES = load_queries("core.db", "migrate.sql")
_CREATE_SCHEMA_MIGRATION = _QUERIES["create_schema_migration"]
_HAS_SCHEMA_MIGRATION = _QUERIES["has_schema_migration"]
_APPLIED = _QUERIES["applied"]
_RECORD = _QUERIES["record"]
_TRY_LOCK = _QUERIES["try_lock"]
_UNLOCK = _QUERIES["unlock"]

MIGRATIONS: Traversable = files("core.db").joinpath("migrations")

_FILE_NAME = re.compile(r"^(\d{4})_([a-z0-9_]+)\.sql$")
_LOCK_SECONDS = 60.0
_LOCK_RETRY_SECONDS = 0.1
_MIGRATION_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Migration:
    """One migration file."""

    version: int
    file_name: str
    sql: str

    @property
    def sha256(self) -> str:
        """What the file's text is known by once it is applied."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Applied:
    """A migration that stands in the database."""

    version: int
    file_name: str
    sha256: str


async def migrate(
    conn: Connection, folder: Traversable = MIGRATIONS, *, lock_timeout_seconds: float = _LOCK_SECONDS
) -> list[Applied]:
    """Apply what is missing, each file in a transaction of its own; what was applied by this call.

    Only one process at a time does it; the others wait and then find nothing left to do.
    """
    migrations = read_migrations(folder)
    async with _lock(conn, lock_timeout_seconds):
        await conn.execute(_CREATE_SCHEMA_MIGRATION)
        applied = await _applied(conn)
        _refuse_strange(migrations, applied)
        return [await _apply(conn, migration) for migration in migrations if migration.version not in applied]


async def check_schema(conn: Connection, folder: Traversable = MIGRATIONS) -> None:
    """Refuse a database whose schema is not exactly the one this program was written for."""
    migrations = read_migrations(folder)
    known: bool = await conn.fetchval(_HAS_SCHEMA_MIGRATION)
    applied = await _applied(conn) if known else {}
    _refuse_strange(migrations, applied)
    missing = [migration.file_name for migration in migrations if migration.version not in applied]
    if missing:
        raise SchemaOlder(f"the database lacks {', '.join(missing)}: run `consignd migrate`")


def read_migrations(folder: Traversable) -> list[Migration]:
    """The files of a folder in order; a gap, a double or a misnamed file is an error of ours."""
    if not folder.is_dir():
        return []
    migrations = sorted(
        (_read(entry) for entry in folder.iterdir() if entry.name.endswith(".sql")),
        key=lambda migration: migration.version,
    )
    versions = [migration.version for migration in migrations]
    assert versions == list(range(1, len(versions) + 1)), f"migrations are not numbered 1, 2, 3 …: {versions}"
    return migrations


def _read(entry: Traversable) -> Migration:
    named = _FILE_NAME.match(entry.name)
    assert named is not None, f"{entry.name}: a migration is named NNNN_what_it_does.sql"
    return Migration(int(named[1]), entry.name, entry.read_text(encoding="utf-8"))


@asynccontextmanager
async def _lock(conn: Connection, timeout_seconds: float) -> AsyncIterator[None]:
    deadline = time.monotonic() + timeout_seconds
    while not await conn.fetchval(_TRY_LOCK):
        if time.monotonic() > deadline:
            raise DatabaseRefused(
                f"another process has been migrating this database for {timeout_seconds:.0f} s: "
                "wait for it, then start again"
            )
        await asyncio.sleep(_LOCK_RETRY_SECONDS)
    try:
        yield
    finally:
        # A connection that broke took its lock with it.
        if not conn.is_closed():
            await conn.execute(_UNLOCK)


async def _applied(conn: Connection) -> dict[int, Applied]:
    rows = await conn.fetch(_APPLIED)
    return {row["version"]: Applied(row["version"], row["name"], row["sha256"]) for row in rows}


def _refuse_strange(migrations: Sequence[Migration], applied: Mapping[int, Applied]) -> None:
    ours = {migration.version: migration for migration in migrations}
    newer = [applied[version].file_name for version in sorted(applied.keys() - ours.keys())]
    if newer:
        raise SchemaNewer(
            f"the database has {', '.join(newer)}, which this program does not know: upgrade the program"
        )
    for version, row in applied.items():
        if row.sha256 != ours[version].sha256:
            raise MigrationChanged(
                f"{ours[version].file_name} differs from {row.file_name} as it was applied: restore it and "
                "write the change as a new migration; a database of an unreleased program is made anew"
            )


async def _apply(conn: Connection, migration: Migration) -> Applied:
    try:
        async with conn.transaction():
            await conn.execute(migration.sql, timeout=_MIGRATION_SECONDS)
            assert conn.is_in_transaction(), f"{migration.file_name} ends the transaction that we run it in"
            await conn.execute(_RECORD, migration.version, migration.file_name, migration.sha256)
    except asyncpg.PostgresError as error:
        raise DatabaseRefused(
            f"{migration.file_name}{_line(migration, error)}: {error}; nothing of this file was applied, "
            "those before it were; mend it and run `consignd migrate` again"
        ) from error
    return Applied(migration.version, migration.file_name, migration.sha256)


def _line(migration: Migration, error: asyncpg.PostgresError) -> str:
    position: str | None = error.position
    return f", line {migration.sql.count(chr(10), 0, int(position) - 1) + 1}" if position else ""
