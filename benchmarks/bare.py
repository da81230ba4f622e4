"""Sells through the bare core of the design: one statement, one transaction, eight rows, one code an order.

No shelves, holds, validity, moves, channels' terms or open work, and the money in the same step. Nobody could
run a house on it. It tells what a machine gives to a design like ours: the figures to reach were found with
such a core on another machine, so on this one they are read beside it.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Sequence

from benchmarks.product import closed_loop
from core.db.arrays import int_array
from core.db.groups import GroupWriter
from core.db.pool import Pool
from core.db.queries import load_queries

_SQL = load_queries("benchmarks", "bare.sql")
_SECONDS = 600.0
# Bulk takes numbers far above those of single sales.
_BULK_NUMBERS = itertools.count(10**12, 10**7)


class BareSeller:
    """The bare core with a queue before it, grouped as the product groups."""

    def __init__(self, pool: Pool, skus: int) -> None:
        self._pool = pool
        self._skus = skus
        self._numbers = itertools.count(1)
        self._writer: GroupWriter[tuple[int, int], None] = GroupWriter(self._write)

    @classmethod
    async def prepare(cls, pool: Pool, skus: int, codes_each: int) -> BareSeller:
        """Make its tables and fill them; sell a little, so that plans know what is in them."""
        await pool.execute(_SQL["schema"])
        await pool.execute(_SQL["fill"], skus, codes_each, timeout=_SECONDS)
        await pool.execute(_SQL["settle"], timeout=_SECONDS)
        seller = cls(pool, skus)
        await asyncio.gather(*(seller.sell() for _ in range(1000)))
        await pool.execute(_SQL["analyze"])
        await closed_loop(seller, 64, 0.5)
        return seller

    async def sell(self) -> None:
        """One order of one code, durable when it returns."""
        await self._writer.submit((next(self._numbers), random.randint(1, self._skus)))

    async def _write(self, group: Sequence[tuple[int, int]]) -> list[Exception | None]:
        sold: int = await self._pool.fetchval(
            _SQL["sell"],
            int_array([number for number, _ in group]),
            [f"P{number}" for number, _ in group],
            int_array([sku_id for _, sku_id in group]),
        )
        assert sold == len(group), f"{sold} of {len(group)} sold: are there codes left?"
        return [None] * len(group)

    async def bulk(self, sales: int) -> float:
        """Sales per second of the one statement that writes so many at once."""
        each = sales // self._skus
        started = time.perf_counter()
        row = await self._pool.fetchrow(_SQL["bulk"], next(_BULK_NUMBERS), self._skus, each, timeout=_SECONDS)
        assert row is not None
        assert row["count"] == each * self._skus, "are there codes left?"
        return each * self._skus / (time.perf_counter() - started)
