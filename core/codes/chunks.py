"""Reads a consignor's file and seals it, a chunk of rows at a time; nothing of it leaves here in clear."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import compress

from core.codes.readers import CodeFile
from core.codes.rows import Parsed, Reason, Refused, Row
from core.codes.runs import Run
from core.codes.vault import BatchKey, Vault

# PostgreSQL's 'infinity', to the driver.
NEVER = datetime.max.replace(tzinfo=UTC)
# As much text of rows that were read one by one may wait to be sealed.
_WAITING_CHARACTERS = 8 << 20


@dataclass(slots=True)
class Codes:
    """Sealed codes by fingerprint, in the order of their rows, and beside each its row and its expiry.

    By column, because a tuple a row had the garbage collector take half of an import's time.
    """

    sealed: dict[bytes, bytes] = field(default_factory=dict)
    rows: list[int] = field(default_factory=list)
    expiries: list[datetime] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.sealed)

    def without(self, marks: Collection[bytes]) -> Codes:
        """Those that have none of these fingerprints."""
        kept = [mark not in marks for mark in self.sealed]
        return Codes(
            dict(compress(self.sealed.items(), kept)),
            list(compress(self.rows, kept)),
            list(compress(self.expiries, kept)),
        )


@dataclass(slots=True)
class Chunk:
    """So many rows of a file, read and sealed; `twins` are rows whose code stands earlier in the chunk."""

    rows: int
    codes: Codes = field(default_factory=Codes)
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
        marks, sealed = self._vault.seal_columns(self._key, run.secrets, run.numbers, run.pins)
        rows = range(run.first_row, run.first_row + len(run))
        self._add(rows, [run.expires_at or NEVER] * len(run), marks, sealed)

    def _seal_waiting(self) -> None:
        """Seal the rows that came one by one, before any that come after them."""
        rows, self._waiting, self._waiting_characters = self._waiting, [], 0
        codes = self._vault.seal_many(self._key, [row.payload for row in rows])
        self._add(
            [row.row for row in rows],
            [row.expires_at or NEVER for row in rows],
            [mark for mark, _ in codes],
            [sealed for _, sealed in codes],
        )

    def _add(
        self, rows: Sequence[int], expiries: list[datetime], marks: list[bytes], sealed: list[bytes]
    ) -> None:
        codes = self._chunk.codes
        if len(set(marks)) == len(marks) and codes.sealed.keys().isdisjoint(marks):
            codes.sealed.update(zip(marks, sealed, strict=True))
            codes.rows += rows
            codes.expiries += expiries
            return
        for row, expires_at, mark, code in zip(rows, expiries, marks, sealed, strict=True):
            if mark in codes.sealed:
                self._chunk.twins.append((row, mark))
            else:
                codes.sealed[mark] = code
                codes.rows.append(row)
                codes.expiries.append(expires_at)

    def _is_over(self, expires_at: datetime | None) -> bool:
        return expires_at is not None and expires_at <= self._now
