"""Hands out ids from blocks of a sequence, so that a group of rows needs no round trip for its ids."""

from __future__ import annotations

import asyncio

from core.db.pool import Connection, Pool
from core.db.queries import load_queries

_NEXT_BLOCK = load_queries("core.db", "ids.sql")["next_block"]
_BLOCK = 1000


class IdBlocks:
    """Ids of one sequence whose increment is 1,000; gaps are left when a process ends.

    Whoever holds a connection while it takes ids must hand it over, and then everybody who shares these
    blocks must: all connections could be held by those who wait for the one that waits for a connection.
    """

    def __init__(self, pool: Pool, sequence: str) -> None:
        self._pool = pool
        self._sequence = sequence
        self._next = 0
        self._end = 0
        self._lock = asyncio.Lock()

    async def take(self, count: int, conn: Connection | None = None) -> list[int]:
        """So many new ids, rising."""
        if self._end - self._next >= count:
            first = self._next
            self._next += count
            return list(range(first, first + count))
        async with self._lock:
            taken: list[int] = []
            while len(taken) < count:
                if self._next == self._end:
                    self._next = int(await (conn or self._pool).fetchval(_NEXT_BLOCK, self._sequence))
                    self._end = self._next + _BLOCK
                size = min(count - len(taken), self._end - self._next)
                taken += range(self._next, self._next + size)
                self._next += size
            return taken
