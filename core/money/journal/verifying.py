"""Decides whether the journal is what was sealed; names rows that were changed, taken out or put in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.db.pool import Connection, Pool
from core.db.queries import load_queries
from core.money.journal.chain import Head, Member, digest
from core.money.journal.walking import MOST_FINDINGS, Finding, LaneWalk, Sealed, Wrong

_SQL = load_queries("core.money.journal", "verifying.sql")
_SEALING = load_queries("core.money.journal", "sealing.sql")
_UNSEALED = _SEALING["unsealed"]
_HOLD_TO_LOOKUPS = _SEALING["hold_to_lookups"]
_AS_PLANNED = _SQL["as_planned"]
_REACH = _SQL["reach"]
_LANES = _SQL["lanes"]
_BLOCK_HASH = _SQL["block_hash"]
_ENTRIES_OF_NONE = _SQL["entries_of_none"]
_RATES_OF_NONE = _SQL["rates_of_none"]
_TOTALS_OFF = _SQL["totals_off"]

_PREFETCH = 2000
_PROGRESS_EVERY = 5000
_QUERY_SECONDS = 3600.0
_BEFORE_ALL = (-2, 0)
_AFTER_ALL = 2**63 - 1

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found: nothing, or the first wrong rows in the order of the chain.

    `unsealed` transactions are too young to be in a block; nothing is said of them. `stopped`: there may be
    more than was found.
    """

    findings: tuple[Finding, ...]
    sealed: int
    unsealed: int
    heads: tuple[Head, ...]
    stopped: bool

    @property
    def ok(self) -> bool:
        """Whether the journal is what was sealed."""
        return not self.findings


async def verify(pool: Pool, known_heads: Sequence[Head] = (), progress: Progress | None = None) -> Verdict:
    """Hold every sealed row against the chain, row by row as they come, at one moment of the database.

    `known_heads` are heads that were kept elsewhere: each must still stand in the chain. `progress` is told
    how many transactions were looked at, and of how many.
    """
    async with pool.acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
        await conn.execute(_HOLD_TO_LOOKUPS)
        findings = [found for head in known_heads for found in await _known_head(conn, head)]
        walk = _Walk(conn, progress or (lambda _done, _all: None))
        await walk.run()
        findings += walk.findings
        if not walk.stopped:
            await conn.execute(_AS_PLANNED)
            findings += await _strays(conn)
            findings += await _totals(conn, walk.reach)
    return Verdict(
        tuple(findings[:MOST_FINDINGS]),
        walk.sealed,
        walk.unsealed,
        tuple(lane.head for _, lane in sorted(walk.lanes.items()) if lane.head.block_no),
        walk.stopped,
    )


class _Walk:
    """One pass over all transactions in the order of sealing, each lane held against its own chain."""

    def __init__(self, conn: Connection, progress: Progress) -> None:
        self._conn = conn
        self._progress = progress
        self.lanes: dict[int, LaneWalk] = {}
        self.reach = _BEFORE_ALL
        self.sealed = 0
        self.unsealed = 0

    @property
    def findings(self) -> list[Finding]:
        return [found for _, lane in sorted(self.lanes.items()) for found in lane.findings]

    @property
    def stopped(self) -> bool:
        return sum(len(lane.findings) for lane in self.lanes.values()) >= MOST_FINDINGS

    async def run(self) -> None:
        row = await self._conn.fetchrow(_REACH)
        assert row is not None, "the migration makes the row"
        self.reach, total = (row["written_in"], row["transaction_id"]), int(row["transactions"])
        for lane in await self._conn.fetch(_LANES):
            self._lane(lane["lane"])
        await self._read_rows(total)
        for walk in self.lanes.values():
            if not self.stopped:
                await walk.finish()
        self._progress(self.sealed, total)

    async def _read_rows(self, total: int) -> None:
        rows = self._conn.cursor(
            _UNSEALED, *_BEFORE_ALL, _AFTER_ALL, _AFTER_ALL, prefetch=_PREFETCH, timeout=_QUERY_SECONDS
        )
        async for lane, transaction_id, written_in, _entries, text in rows:
            place = (written_in, transaction_id)
            if await self._lane(lane).take(Sealed(place, Member(transaction_id, digest(text))), self.reach):
                self.sealed += 1
            else:
                self.unsealed += 1
            if self.sealed % _PROGRESS_EVERY == 0:
                self._progress(self.sealed, total)
            if self.stopped:
                return

    def _lane(self, lane: int) -> LaneWalk:
        if lane not in self.lanes:
            self.lanes[lane] = LaneWalk(self._conn, lane)
        return self.lanes[lane]


async def _known_head(conn: Connection, head: Head) -> list[Finding]:
    stands: bytes | None = await conn.fetchval(_BLOCK_HASH, head.lane, head.block_no)
    if stands == head.hash:
        return []
    what = "there is no such block" if stands is None else f"the block there has the hash {stands.hex()}"
    return [Finding(Wrong.HEAD, head.lane, head.block_no, None, f"the head {head} was known; {what}")]


async def _strays(conn: Connection) -> list[Finding]:
    found = []
    for what, query in (("entries", _ENTRIES_OF_NONE), ("rates", _RATES_OF_NONE)):
        found += [
            Finding(
                Wrong.INSERTED,
                None,
                None,
                row["transaction_id"],
                f"{what} of transaction {row['transaction_id']}, which is none",
            )
            for row in await conn.fetch(query, timeout=_QUERY_SECONDS)
        ]
    return found


async def _totals(conn: Connection, reach: tuple[int, int]) -> list[Finding]:
    return [
        Finding(
            Wrong.TOTAL,
            None,
            None,
            None,
            f"account {row['account_id']}, {row['period']}: the total is {row['debit_minor'] or 0} debit and"
            f" {row['credit_minor'] or 0} credit, the sealed entries sum to {row['summed_debit_minor'] or 0}"
            f" and {row['summed_credit_minor'] or 0}",
        )
        for row in await conn.fetch(_TOTALS_OFF, *reach, timeout=_QUERY_SECONDS)
    ]
