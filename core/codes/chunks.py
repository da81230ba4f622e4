"""Reads a consignor's file and seals it, a chunk of rows at a time; nothing of it leaves here in clear."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import repeat

from core.codes.readers import CodeFile
from core.codes.rows import Parsed, Reason, Refused, Row
from core.codes.runs import Run
from core.codes.vault import BatchKey, Vault

# PostgreSQL's 'infinity', to the driver.
NEVER = datetime.max.replace(tzinfo=UTC)
# As much text of rows that were read one by one may wait to be sealed.
_WAITING_CHARACTERS = 8 << 20


@dataclass(slots=True)
class Chunk:
    """So many rows of a file, read and sealed.

    `codes` by fingerprint: row, expiry, sealed code. `twins`: rows whose code stands earlier in the chunk.
    """

    rows: int
    codes: dict[bytes, tuple[int, datetime, bytes]] = field(default_factory=dict)
    twins: list[tuple[int, bytes]] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    bytes_read: int = 0
    size_bytes: int = 0


def sealed_chunks(
    file: CodeFile, vault: Vault, key: BatchKey, now: datetime, chunk_rows: int
) -> Iterator[Chunk]:
    """A file's rows in their order, sealed, so many at a time; fewer where they are very long."""
    draft = _Draft(vault, key, now, chunk_rows)
    for piece in file.pieces():
        rest: Row | Run | None = piece
        while rest is not None:
            rest = draft.take(rest)
            if draft.is_full():
                yield draft.sealed(file)
                draft = _Draft(vault, key, now, chunk_rows)
    if draft.room < chunk_rows:
        yield draft.sealed(file)


class _Draft:
    """A chunk in the making."""

    def __init__(self, vault: Vault, key: BatchKey, now: datetime, chunk_rows: int) -> None:
        self.room = chunk_rows
        self._vault = vault
        self._key = key
        self._now = now
        self._chunk = Chunk(chunk_rows)
        self._waiting: list[Parsed] = []
        self._waiting_characters = 0

    def is_full(self) -> bool:
        return self.room == 0 or self._waiting_characters > _WAITING_CHARACTERS

    def take(self, piece: Row | Run) -> Run | None:
        """Take rows; what is handed back has no room in this chunk."""
        if not isinstance(piece, Run):
            self._take_row(piece)
            return None
        run, rest = piece.split(self.room)
        if self._is_over(run.expires_at):
            for row in run.rows():
                self._take_row(row)
        else:
            self._take_run(run)
        return rest if len(rest) else None

    def sealed(self, file: CodeFile) -> Chunk:
        """The chunk; nothing more is taken into it."""
        self._seal_waiting()
        chunk = self._chunk
        chunk.rows -= self.room
        chunk.bytes_read, chunk.size_bytes = file.bytes_read, file.size_bytes
        return chunk

    def _take_row(self, row: Row) -> None:
        self.room -= 1
        if isinstance(row, Refused):
            self._chunk.refused.append(row)
        elif row.expires_at is not None and self._is_over(row.expires_at):
            self._chunk.refused.append(
                Refused(row.row, Reason.EXPIRED, f"expired at {row.expires_at:%Y-%m-%d %H:%M} UTC")
            )
        else:
            self._waiting.append(row)
            self._waiting_characters += len(row.payload.secret)

    def _take_run(self, run: Run) -> None:
        self._seal_waiting()
        self.room -= len(run)
        sealed = self._vault.seal_columns(self._key, run.secrets, run.numbers, run.pins)
        self._add(enumerate(sealed, run.first_row), repeat(run.expires_at or NEVER))

    def _seal_waiting(self) -> None:
        """Seal the rows that came one by one, before any that come after them."""
        rows, self._waiting, self._waiting_characters = self._waiting, [], 0
        sealed = self._vault.seal_many(self._key, [row.payload for row in rows])
        numbered = zip((row.row for row in rows), sealed, strict=True)
        self._add(numbered, (row.expires_at or NEVER for row in rows))

    def _add(self, codes: Iterable[tuple[int, tuple[bytes, bytes]]], expiries: Iterable[datetime]) -> None:
        known = self._chunk.codes
        for (row, (fingerprint, code)), expires_at in zip(codes, expiries, strict=False):
            if fingerprint in known:
                self._chunk.twins.append((row, fingerprint))
            else:
                known[fingerprint] = (row, expires_at, code)

    def _is_over(self, expires_at: datetime | None) -> bool:
        return expires_at is not None and expires_at <= self._now
