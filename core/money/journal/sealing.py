"""Moves what was committed to the journal into its chain of blocks and its totals, some seconds behind.

How nothing is left behind. Every transaction of the journal carries `written_in`, the number of the
database transaction that wrote it. The server says below which number no transaction runs any more
(`pg_snapshot_xmin`): whatever carries a lower one is visible by then or never will be. A sweep asks for
that horizon first and reads afterwards, so what it reads between the end of the last sweep and the horizon
is all there will ever be, however late a transaction commits and whatever its id and its moment are. The
end of the sweep moves in the same transaction as blocks and totals are written in, under a row lock: any
number of daemons may sweep, and a killed one leaves nothing half done. Whoever leaves a writing transaction
open only holds sealing up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from core.db.pool import Connection, Pool
from core.db.queries import load_queries
from core.money.journal.chain import GENESIS, Block, Head, Member, cut_block, digest

_SQL = load_queries("core.money.journal", "sealing.sql")
_LOCK_SEAL = _SQL["lock_seal"]
_HOLD_TO_LOOKUPS = _SQL["hold_to_lookups"]
_HORIZON = _SQL["horizon"]
_UNSEALED = _SQL["unsealed"]
_LAST_BLOCKS = _SQL["last_blocks"]
_ADD_BLOCK = _SQL["add_block"]
_ADD_TOTALS = _SQL["add_totals"]
_MOVE_SEAL = _SQL["move_seal"]
_ADVANCE_CLOCK = _SQL["advance_clock"]

# What one block holds at most: a damaged one is read again whole to say which of its rows is wrong.
BLOCK_TRANSACTIONS = 4096
# What one sweep takes: some seconds of work, so that a lock is never held for long.
SWEEP_TRANSACTIONS = 100_000
_PREFETCH = 1000
# Before any transaction of the horizon's number, which is the first that is not sealed.
_BEFORE_ANY_ID = -1

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep sealed; `more` says that it stopped at its limit."""

    transactions: int
    blocks: int
    more: bool


_NOTHING = Swept(0, 0, more=False)


@dataclass(slots=True)
class _Lane:
    """The block that is being filled in one lane."""

    before: Head
    members: list[Member] = field(default_factory=list)
    entries: int = 0
    until_written_in: int = 0

    def add(self, member: Member, entries: int, written_in: int) -> None:
        self.members.append(member)
        self.entries += entries
        self.until_written_in = written_in

    def cut(self, now: datetime) -> Block:
        block = cut_block(self.before, self.members, self.until_written_in, self.entries, now)
        self.before = Head(block.lane, block.block_no, block.hash)
        self.members, self.entries = [], 0
        return block


class Sealing:
    """The sweep. Call it every few seconds, from as many daemons as there are."""

    def __init__(self, pool: Pool, now: Callable[[], datetime]) -> None:
        self._pool = pool
        self._now = now

    async def sweep(self, limit: int = SWEEP_TRANSACTIONS) -> Swept:
        """Seal what can be sealed now, up to a limit; nothing while another daemon is at it."""
        async with self._pool.acquire() as conn, conn.transaction():
            start = await conn.fetchrow(_LOCK_SEAL)
            if start is None:
                return _NOTHING
            await conn.execute(_HOLD_TO_LOOKUPS)
            horizon: int = await conn.fetchval(_HORIZON)
            return await self._seal(conn, (start["written_in"], start["transaction_id"]), horizon, limit)

    async def catch_up(self, most_sweeps: int = 1000) -> int:
        """Sweep until nothing is left to seal; how many transactions were sealed."""
        sealed = 0
        for _ in range(most_sweeps):
            swept = await self.sweep()
            sealed += swept.transactions
            if not swept.more:
                break
        return sealed

    async def _seal(self, conn: Connection, start: tuple[int, int], horizon: int, limit: int) -> Swept:
        now = self._now()
        lanes = {
            row["lane"]: _Lane(Head(row["lane"], row["block_no"], row["hash"]))
            for row in await conn.fetch(_LAST_BLOCKS)
        }
        count = blocks = 0
        end = start
        async for row in conn.cursor(_UNSEALED, *start, horizon, limit, prefetch=_PREFETCH):
            lane_no, transaction_id, written_in, entries, text = row
            lane = lanes.setdefault(lane_no, _Lane(Head(lane_no, 0, GENESIS)))
            lane.add(Member(transaction_id, digest(text)), entries, written_in)
            end = (written_in, transaction_id)
            count += 1
            if len(lane.members) == BLOCK_TRANSACTIONS:
                await _write(conn, lane.cut(now))
                blocks += 1
        if not count:
            return _NOTHING
        for lane in lanes.values():
            if lane.members:
                await _write(conn, lane.cut(now))
                blocks += 1
        more = count == limit
        await self._move(conn, start, end if more else (horizon, _BEFORE_ANY_ID), now)
        return Swept(count, blocks, more)

    async def _move(
        self, conn: Connection, start: tuple[int, int], end: tuple[int, int], now: datetime
    ) -> None:
        await conn.execute(_ADD_TOTALS, *start, *end)
        await conn.execute(_MOVE_SEAL, *end, now)


async def _write(conn: Connection, block: Block) -> None:
    await conn.execute(
        _ADD_BLOCK,
        block.lane,
        block.block_no,
        block.until_written_in,
        block.until_transaction_id,
        block.transactions,
        block.entries,
        block.members,
        block.previous_hash,
        block.hash,
        block.sealed_at,
    )


async def advance_clock(conn: Connection) -> bool:
    """Carry the journal's numbers on in a server that counts from lower ones; whether that was needed.

    A database that was dumped and restored elsewhere needs it once, before anybody writes.
    """
    advanced: bool = await conn.fetchval(_ADVANCE_CLOCK)
    if advanced:
        _log.warning("ledger.clock_advanced", reason="the database was restored into another server")
    return advanced
