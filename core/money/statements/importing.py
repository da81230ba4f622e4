"""Keeps mappings, and takes a channel's file in: the same file again, or a part of it, changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from itertools import islice

from core.audit import note
from core.db.pool import Connection, Pool, Record
from core.db.queries import load_queries
from core.errors import InvalidInput, UnknownChannel, UnknownMapping
from core.money.payouts import Restated, ToldLine, keep_lines, restated
from core.money.statements.files import RowRefused, read_statement
from core.money.statements.mapping import StatementMapping, mapping_from_json, mapping_to_json
from core.types import ChannelId

_SQL = load_queries("core.money.statements", "importing.sql")
_FIND_MAPPING = _SQL["find_mapping"]
_LOCK_MAPPINGS = _SQL["lock_mappings"]
_ADD_MAPPING = _SQL["add_mapping"]
_MAPPINGS = _SQL["mappings"]
_OPEN_STATEMENT = _SQL["open_statement"]
_FIND_STATEMENT = _SQL["find_statement"]
_FIND_CHANNEL = _SQL["find_channel"]
_KNOWN_LINES = _SQL["known_lines"]
_BATCH = 5_000
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class SavedMapping:
    """A mapping under its name; saving another one there makes the next version."""

    mapping_id: int
    name: str
    version: int
    mapping: StatementMapping
    saved_by: str
    saved_at: datetime


@dataclass(frozen=True, slots=True)
class ImportedStatement:
    """What became of a file; in a dry run, what would. `new` of its lines were not told before."""

    statement_id: int | None
    rows: int
    lines: int
    new: int
    refused: tuple[RowRefused, ...]


class StatementImporter:
    """Takes files of channels in."""

    def __init__(self, pool: Pool, now: Callable[[], datetime]) -> None:
        self._pool = pool
        self._now = now

    async def run(
        self, channel: str, mapping_name: str, name: str, content: bytes, *, actor: str, dry_run: bool = False
    ) -> ImportedStatement:
        """Read a file and keep its lines. Rows that cannot be read are told; the others are in."""
        async with self._pool.acquire() as conn:
            channel_id = await find_channel(conn, channel)
            saved = await find_mapping(conn, mapping_name)
        file = read_statement(name, content, saved.mapping)
        async with self._pool.acquire() as conn, conn.transaction():
            changed = [
                line for part in _batches(file.lines) for line in await restated(conn, channel_id, part)
            ]
            refs = {line.line_ref for line in changed}
            lines = [line for line in file.lines if line.line_ref not in refs]
            refused = (*file.refused, *map(_told_otherwise, changed))
            if dry_run or not lines:
                new = len(lines) - await self._known(conn, channel_id, lines)
                return ImportedStatement(None, file.rows, len(lines), new, refused)
            statement_id, new = await self._open(conn, channel_id, saved, name, content, actor), 0
            for part in _batches(lines):
                new += await keep_lines(conn, channel_id, part, self._now(), statement_id)
        return ImportedStatement(statement_id, file.rows, len(lines), new, refused)

    async def _known(self, conn: Connection, channel_id: ChannelId, lines: Sequence[ToldLine]) -> int:
        known: int = await conn.fetchval(_KNOWN_LINES, channel_id, [line.line_ref for line in lines])
        return known

    async def _open(
        self,
        conn: Connection,
        channel_id: ChannelId,
        saved: SavedMapping,
        name: str,
        content: bytes,
        actor: str,
    ) -> int:
        digest, now = sha256(content).hexdigest(), self._now()
        await conn.execute(_OPEN_STATEMENT, channel_id, name, digest, saved.mapping_id, actor, now)
        statement_id: int = await conn.fetchval(_FIND_STATEMENT, channel_id, name, digest)
        subject = f"statement {statement_id}"
        await note(conn, at=now, actor=actor, action="statement.import", subject=subject, reason=name)
        return statement_id


async def save_mapping(
    conn: Connection, name: str, mapping: StatementMapping, *, actor: str, now: datetime
) -> SavedMapping:
    """Keep a mapping under a name; the same again stays the version that it is."""
    assert conn.is_in_transaction(), "the lock on the names lasts as long as the transaction"
    if not name.strip() or len(name) > _LONGEST_NAME:
        raise InvalidInput(f"mapping {name!r}: give it a name of 1 to {_LONGEST_NAME} characters")
    await conn.execute(_LOCK_MAPPINGS)
    row = await conn.fetchrow(_FIND_MAPPING, name)
    if row is None or _saved(row).mapping != mapping:
        version = 1 if row is None else int(row["version"]) + 1
        await conn.execute(_ADD_MAPPING, name, version, mapping_to_json(mapping), actor, now)
        subject, reason = f"mapping {name}", f"version {version}"
        await note(conn, at=now, actor=actor, action="mapping.save", subject=subject, reason=reason)
    return await find_mapping(conn, name)


async def find_mapping(conn: Connection, name: str) -> SavedMapping:
    """The latest version of a mapping."""
    row = await conn.fetchrow(_FIND_MAPPING, name)
    if row is None:
        raise UnknownMapping(
            f"mapping {name!r} is not known: `consignd statements mappings list` lists those that were saved"
        )
    return _saved(row)


async def list_mappings(conn: Connection) -> tuple[SavedMapping, ...]:
    """The latest version of every mapping, by name."""
    return tuple(_saved(row) for row in await conn.fetch(_MAPPINGS))


async def find_channel(conn: Connection, name: str) -> ChannelId:
    """The channel of a name."""
    channel_id: int | None = await conn.fetchval(_FIND_CHANNEL, name)
    if channel_id is None:
        raise UnknownChannel(f"channel {name!r} is not known; `consignd channels` lists them")
    return ChannelId(channel_id)


def _told_otherwise(line: Restated) -> RowRefused:
    why = f"line {line.line_ref!r} was told as {line.before} before, and is {line.now} here: ask the channel"
    return RowRefused(0, "amount", why)


def _batches(lines: Sequence[ToldLine]) -> Iterator[list[ToldLine]]:
    rest = iter(lines)
    while part := list(islice(rest, _BATCH)):
        yield part


def _saved(row: Record) -> SavedMapping:
    return SavedMapping(
        int(row["mapping_id"]),
        row["name"],
        int(row["version"]),
        mapping_from_json(row["mapping"]),
        row["saved_by"],
        row["saved_at"],
    )
