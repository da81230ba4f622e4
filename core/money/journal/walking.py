"""Decides, lane by lane, where the transactions that stand are not those that the blocks sealed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from core.db.pool import Connection
from core.db.queries import load_queries
from core.money.journal.chain import GENESIS, Block, Head, Member

_SQL = load_queries("core.money.journal", "verifying.sql")
_NEXT_BLOCKS = _SQL["next_blocks"]
_PLACE_OF = _SQL["place_of"]

# What is told of a journal that is wrong in many places; the first is the one to look at.
MOST_FINDINGS = 20


class Wrong(StrEnum):
    """What can be wrong with a sealed journal."""

    CHANGED = "changed"  # the transaction stands, but its row, its entries, accounts or rates differ
    MISSING = "missing"  # it was sealed and stands nowhere
    MOVED = "moved"  # it stands, but not where it was sealed
    INSERTED = "inserted"  # it stands among what was sealed, and was not
    BLOCK = "block"  # the chain itself was changed
    HEAD = "head"  # a head that was kept elsewhere is not in the chain
    TOTAL = "total"  # an account's total is not the sum of its entries


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, and where."""

    wrong: Wrong
    lane: int | None
    block_no: int | None
    transaction_id: int | None
    what: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """A transaction as it stands: its place in the order of sealing, and its digest now."""

    place: tuple[int, int]
    member: Member


class LaneWalk:
    """Walks along one lane's chain while its transactions come by in their order."""

    def __init__(self, conn: Connection, lane: int) -> None:
        self._conn = conn
        self._block: Block | None = None
        self._left: deque[Member] = deque()
        self._left_ids: set[int] = set()
        self._waiting: deque[Block] = deque()
        self._at_end = False
        self.head = Head(lane, 0, GENESIS)
        self.findings: list[Finding] = []

    @property
    def full(self) -> bool:
        """Whether so much is wrong that it is not worth looking further."""
        return len(self.findings) >= MOST_FINDINGS

    async def take(self, row: Sealed, reach: tuple[int, int]) -> bool:
        """Hold the next transaction against the chain; False: it is too young to be sealed."""
        while not self._left or (self._block is not None and row.place > self._block.until):
            await self._miss(list(self._left))
            if not await self._load():
                if row.place > reach:
                    return False
                self._insert(row)
                return True
        found = row.member
        if found.transaction_id not in self._left_ids:
            self._insert(row)
            return True
        await self._miss(list(self._up_to(found.transaction_id)))
        expected = self._left.popleft()
        self._left_ids.discard(expected.transaction_id)
        if expected.digest != found.digest:
            self._note(
                Wrong.CHANGED,
                found.transaction_id,
                "its row, entries, accounts or rates are not what was sealed",
            )
        return True

    async def finish(self) -> None:
        """No more transactions come: what is still in the chain is missing."""
        while not self.full:
            await self._miss(list(self._left))
            if not await self._load():
                return

    def _up_to(self, transaction_id: int) -> Iterator[Member]:
        for member in self._left:
            if member.transaction_id == transaction_id:
                return
            yield member

    async def _load(self) -> bool:
        """Take the next block of the chain, once its hash is held against it; False: there is none."""
        self._left.clear()
        self._left_ids.clear()
        if self._at_end:
            return False
        if not self._waiting:
            rows = await self._conn.fetch(_NEXT_BLOCKS, self.head.lane, self.head.block_no)
            self._waiting.extend(Block(**dict(row)) for row in rows)
        if not self._waiting:
            self._at_end = True
            return False
        before, self._block = self._block, self._waiting.popleft()
        self._check(self._block, before)
        self.head = Head(self._block.lane, self._block.block_no, self._block.hash)
        self._left.extend(self._block.each_member())
        self._left_ids.update(member.transaction_id for member in self._left)
        return True

    def _check(self, block: Block, before: Block | None) -> None:
        if block.block_no != self.head.block_no + 1:
            missing = f"blocks {self.head.block_no + 1} to {block.block_no - 1} are missing"
            self.findings.append(Finding(Wrong.BLOCK, block.lane, block.block_no, None, missing))
        elif block.previous_hash != self.head.hash:
            broken = f"block {block.block_no} does not follow from block {self.head.block_no}"
            self.findings.append(Finding(Wrong.BLOCK, block.lane, block.block_no, None, broken))
        if block.reckoned_hash() != block.hash:
            changed = f"block {block.block_no} was changed: its hash is not that of its content"
            self.findings.append(Finding(Wrong.BLOCK, block.lane, block.block_no, None, changed))
        if before is not None and before.until >= block.until:
            order = f"block {block.block_no} ends before block {before.block_no}"
            self.findings.append(Finding(Wrong.BLOCK, block.lane, block.block_no, None, order))

    async def _miss(self, members: list[Member]) -> None:
        for member in members:
            self._left.popleft()
            self._left_ids.discard(member.transaction_id)
            if self.full:
                continue
            stands = await self._conn.fetchrow(_PLACE_OF, member.transaction_id)
            if stands is None:
                self._note(Wrong.MISSING, member.transaction_id, "it was sealed and stands nowhere")
                continue
            where = f"sealed here, it stands in lane {stands['lane']}, written in {stands['written_in']}"
            self._note(Wrong.MOVED, member.transaction_id, where)

    def _insert(self, row: Sealed) -> None:
        what = "it stands among what was sealed, and was not sealed there"
        self._note(Wrong.INSERTED, row.member.transaction_id, what)

    def _note(self, wrong: Wrong, transaction_id: int, what: str) -> None:
        block_no = self._block.block_no if self._block is not None else None
        text = f"transaction {transaction_id}: {what}"
        self.findings.append(Finding(wrong, self.head.lane, block_no, transaction_id, text))
