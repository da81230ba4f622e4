"""Moves the codes of a consignor's file onto their shelves, each once, and says of every refused row why.

A thread reads and seals while the database writes what it sealed before. Each chunk commits on its own: after
a crash the first part of the file is in, and importing the same file again brings in the rest.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import asyncpg

from core.codes.chunks import Chunk, Codes, sealed_chunks
from core.codes.readers import CodeFile
from core.codes.rows import Reason, Refused
from core.codes.vault import BatchKey, Vault
from core.db.pool import Connection, Pool
from core.db.queries import load_queries
from core.errors import Conflict, InvalidInput, UnreadableFile
from core.money.money import Money
from core.types import BatchId, ConsignorId, ShelfId, Sku

_SQL = load_queries("core.codes", "importer.sql")
_NEXT_BATCH_ID = _SQL["next_batch_id"]
_COMMIT_EARLY = _SQL["commit_early"]
_COMMIT_AS_USUAL = _SQL["commit_as_usual"]
_KNOWN_CODES = _SQL["known_codes"]
_ADD_BATCH = _SQL["add_batch"]
_ADD_AUDIT = _SQL["add_audit"]
_ADD_SHELVES = _SQL["add_shelves"]
_FIND_SHELVES = _SQL["find_shelves"]
_PLACE_CODES = _SQL["place_codes"]

REFUSALS_KEPT = 1000
# A lane sells nothing while a chunk is placed on its shelves.
CHUNK_ROWS = 5000
# Each further try means that another import has brought in some of the chunk's codes meanwhile.
_TRIES = 50
_DETAILS = {
    Reason.ALREADY_KNOWN: "the same code came with an earlier import",
    Reason.DUPLICATE_IN_FILE: "the same code stands further up in this file",
}


@dataclass(frozen=True, slots=True)
class ImportOrder:
    """What to import, and what holds for all its codes. `unit_cost` is what one code costs us."""

    path: Path
    sku: Sku
    consignor_id: ConsignorId
    consignor_priority: int
    unit_cost: Money | None
    expires_default: datetime | None
    actor: str
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class ImportProgress:
    """How far an import is."""

    read: int
    imported: int
    refused: int
    bytes_read: int
    size_bytes: int


@dataclass(slots=True)
class ImportReport:
    """What became of a file's rows; of the refused ones the first thousand by row, the others by number.

    `batch_id` is None when nothing was imported, and in a dry run, whose `imported` is what would be.
    """

    batch_id: BatchId | None = None
    read: int = 0
    imported: int = 0
    refused: Counter[Reason] = field(default_factory=Counter)
    refusals: list[Refused] = field(default_factory=list)
    refusals_left_out: int = 0
    seconds: float = 0.0

    def refuse(self, refusals: Sequence[Refused]) -> None:
        """Note rows that were not taken."""
        self.refused.update(refusal.reason for refusal in refusals)
        room = REFUSALS_KEPT - len(self.refusals)
        self.refusals += refusals[:room]
        self.refusals_left_out += max(0, len(refusals) - room)


class Importer:
    """Imports files of codes; any number may run at once, beside sales."""

    def __init__(
        self, pool: Pool, vault: Vault, now: Callable[[], datetime], *, chunk_rows: int = CHUNK_ROWS
    ) -> None:
        self._pool = pool
        self._chunk_rows = chunk_rows
        self._vault = vault
        self._now = now

    async def run(
        self,
        order: ImportOrder,
        progress: Callable[[ImportProgress], None] | None = None,
        tell_refused: Callable[[Sequence[Refused]], None] | None = None,
    ) -> ImportReport:
        """Import a file. Raises UnreadableFile, whose text says how much of the file is in.

        `tell_refused` is handed every refused row, also those for which the report has no room.
        """
        _refuse_order(order)
        started = time.monotonic()
        file = await asyncio.to_thread(CodeFile, order.path, expires_default=order.expires_default)
        with file:
            async with self._pool.acquire() as conn, _committing_early(conn):
                key = self._vault.new_batch_key(BatchId(await conn.fetchval(_NEXT_BATCH_ID)))
                work = _Work(conn, order, key, self._now(), tell_refused)
                chunks = sealed_chunks(file, self._vault, key, work.now, self._chunk_rows)
                try:
                    await _carry(work, chunks, progress)
                except UnreadableFile as error:
                    await work.finish()
                    raise _with_state(error, work.report) from None
                await work.finish()
        work.report.seconds = time.monotonic() - started
        return work.report


@asynccontextmanager
async def _committing_early(conn: Connection) -> AsyncIterator[None]:
    """Until `finish` commits as usual; a connection that never got so far must reach nobody else."""
    await conn.execute(_COMMIT_EARLY)
    try:
        yield
    except UnreadableFile:
        raise
    except BaseException:
        conn.terminate()
        raise


async def _carry(
    work: _Work, chunks: Iterator[Chunk], progress: Callable[[ImportProgress], None] | None
) -> None:
    """Write each chunk while the thread makes the next one."""
    ahead = asyncio.ensure_future(asyncio.to_thread(next, chunks, None))
    try:
        while chunk := await asyncio.shield(ahead):
            ahead = asyncio.ensure_future(asyncio.to_thread(next, chunks, None))
            await work.take(chunk)
            if progress is not None:
                progress(work.progress(chunk))
    finally:
        # The file must not be closed under the thread that reads it.
        await asyncio.wait([ahead])
        if not ahead.cancelled():
            ahead.exception()


class _Work:
    """One import under way: what is in, and the shelves it has met."""

    def __init__(
        self,
        conn: Connection,
        order: ImportOrder,
        key: BatchKey,
        now: datetime,
        tell_refused: Callable[[Sequence[Refused]], None] | None,
    ) -> None:
        self.report = ImportReport()
        self._tell_refused = tell_refused
        self.now = now
        self._conn = conn
        self._order = order
        self._key = key
        self._shelves: dict[datetime, ShelfId] = {}
        # Only a dry run must remember what it saw (some 100 bytes a row); a real one finds it in the table.
        self._seen: set[bytes] = set()
        self._expect_known = True

    def progress(self, chunk: Chunk) -> ImportProgress:
        """How far this import is, after a chunk."""
        report = self.report
        refused = report.refused.total()
        return ImportProgress(report.read, report.imported, refused, chunk.bytes_read, chunk.size_bytes)

    async def take(self, chunk: Chunk) -> None:
        """Import a chunk, or in a dry run find out what would become of it."""
        known = await self._settle(chunk.codes)
        row_of = dict(zip(chunk.codes.sealed, chunk.codes.rows, strict=True)) if known else {}
        refused = [
            *chunk.refused,
            *(Refused(row_of[mark], reason, _DETAILS[reason]) for mark, reason in known.items()),
            # A twin shares the fate of the row before it, or is refused because that one was taken.
            *(
                Refused(row, reason, _DETAILS[reason])
                for row, mark in chunk.twins
                for reason in [known.get(mark, Reason.DUPLICATE_IN_FILE)]
            ),
        ]
        self.report.read += chunk.rows
        self.report.imported += len(chunk.codes) - len(known)
        refused.sort(key=lambda refusal: refusal.row)
        self.report.refuse(refused)
        if self._tell_refused is not None and refused:
            self._tell_refused(refused)

    async def finish(self) -> None:
        """Write down what the import came to; when this returns, all of it survives a crash."""
        await self._conn.execute(_COMMIT_AS_USUAL)
        order, report = self._order, self.report
        if order.dry_run:
            return
        subject = f"SKU {order.sku.sku_ref}" if report.batch_id is None else f"batch {report.batch_id}"
        result = f"{order.path.name}: {report.imported} of {report.read} rows imported"
        await self._conn.execute(_ADD_AUDIT, self.now, order.actor, "import ended", subject, result)

    async def _settle(self, codes: Codes) -> dict[bytes, Reason]:
        """Put the codes that are new on their shelves; the others, and why they are not new.

        Codes are looked up only where some are likely to be known: at the file's start and after a chunk that
        had any. Elsewhere the table itself refuses the chunk if one is, and then they are.
        """
        fresh = codes
        for _ in range(_TRIES):
            known = await self._known(list(codes.sealed)) if self._expect_known else {}
            if known:
                fresh = codes.without(known)
            try:
                await self._place(fresh)
            except asyncpg.UniqueViolationError as error:
                if error.constraint_name != "code_fingerprint_once":
                    raise
                self._expect_known = True
            else:
                self._expect_known = bool(known) or self._order.dry_run
                return known
        raise Conflict(
            f"{self._order.path}: other imports bring in the same codes; run it again when they are done"
        )

    async def _known(self, marks: Sequence[bytes]) -> dict[bytes, Reason]:
        known = dict.fromkeys(self._seen.intersection(marks), Reason.DUPLICATE_IN_FILE)
        for row in await self._conn.fetch(_KNOWN_CODES, marks):
            ours = row["batch_id"] == self._key.batch_id
            known[marks[row["n"] - 1]] = Reason.DUPLICATE_IN_FILE if ours else Reason.ALREADY_KNOWN
        return known

    async def _place(self, codes: Codes) -> None:
        """Put codes on their shelves and commit, the first of them together with their batch."""
        if self._order.dry_run:
            self._seen.update(codes.sealed)
            return
        if not codes:
            return
        missing = set(codes.expiries) - self._shelves.keys()
        if self.report.batch_id is not None and not missing:
            # One statement on its own holds the lane for the shortest time.
            await self._place_on(self._shelves, codes)
            return
        async with self._conn.transaction():
            if self.report.batch_id is None:
                await self._add_batch()
            shelves = self._shelves | await self._make_shelves(sorted(missing))
            await self._place_on(shelves, codes)
        self._shelves, self.report.batch_id = shelves, self._key.batch_id

    async def _place_on(self, shelves: Mapping[datetime, ShelfId], codes: Codes) -> None:
        sku, expiries = self._order.sku, list(dict.fromkeys(codes.expiries))
        places, aheads = _places(expiries, codes)
        await self._conn.execute(
            _PLACE_CODES,
            sku.lane,
            sku.sku_id,
            self._key.batch_id,
            [shelves[expiry] for expiry in expiries],
            places,
            aheads,
            list(codes.sealed),
            list(codes.sealed.values()),
        )

    async def _add_batch(self) -> None:
        order, key = self._order, self._key
        await self._conn.execute(
            _ADD_BATCH,
            key.batch_id,
            order.sku.sku_id,
            order.consignor_id,
            *_cost(order),
            order.path.name,
            key.key_id,
            key.wrapped,
            self.now,
            order.actor,
        )
        reason = f"{order.path.name} for SKU {order.sku.sku_ref}"
        await self._conn.execute(_ADD_AUDIT, self.now, order.actor, "import", f"batch {key.batch_id}", reason)

    async def _make_shelves(self, expiries: Sequence[datetime]) -> dict[datetime, ShelfId]:
        """The shelves of these expiries, made where they are missing."""
        order = self._order
        alike = (order.sku.lane, order.sku.sku_id, order.consignor_id, *_cost(order))
        await self._conn.execute(_ADD_SHELVES, *alike, order.consignor_priority, expiries)
        rows = await self._conn.fetch(_FIND_SHELVES, *alike, expiries)
        return {expiries[row["n"] - 1]: ShelfId(row["shelf_id"]) for row in rows}


def _places(expiries: Sequence[datetime], codes: Codes) -> tuple[Sequence[int], Sequence[int]]:
    """For each code the number of its shelf, from 1, and how far behind that one's tail it goes."""
    if len(expiries) == 1:
        return [1] * len(codes), range(1, len(codes) + 1)
    numbers = {expiry: number for number, expiry in enumerate(expiries, 1)}
    places = [numbers[expiry] for expiry in codes.expiries]
    filled: Counter[int] = Counter()
    aheads = []
    for place in places:
        filled[place] += 1
        aheads.append(filled[place])
    return places, aheads


def _cost(order: ImportOrder) -> tuple[int | None, str | None]:
    cost = order.unit_cost
    return (cost.amount_minor, cost.currency) if cost else (None, None)


def _refuse_order(order: ImportOrder) -> None:
    if order.unit_cost is not None and order.unit_cost.amount_minor < 0:
        raise InvalidInput(f"unit cost {order.unit_cost}: write zero or more")
    if not order.actor.strip():
        raise InvalidInput("an import needs an actor: who answers for it")


def _with_state(error: UnreadableFile, report: ImportReport) -> UnreadableFile:
    if report.batch_id is None:
        return error
    return UnreadableFile(
        f"{error}; {report.imported} codes before that place are in as batch {report.batch_id}: mend the "
        "file and import it again, what is in is recognised"
    )
