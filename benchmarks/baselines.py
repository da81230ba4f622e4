"""Writes the product's rows in the ways it is held against: one by one, by pgbench, in bulk."""

from __future__ import annotations

import asyncio
import os
import random
import re
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.resources import files

import asyncpg

from benchmarks.stand import Goods, Market
from core.db.binaries import find_programs
from core.db.pool import Connection
from core.db.queries import load_queries

_SQL = load_queries("benchmarks", "baselines.sql")
_HASH = b"x" * 32
# More connections than these serve fewer: measured, the lone transactions hinder each other.
BEST_CONNECTIONS = 16
_PGBENCH_CLIENTS = 64
_BULK_SECONDS = 600.0
_TPS = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)

Sell = Callable[[Connection, Goods, int], Awaitable[None]]


class Baselines:
    """The baselines on one market. They take their order ids from a sequence of their own."""

    def __init__(self, market: Market, base_account: int) -> None:
        self._market = market
        self._base_account = base_account

    @classmethod
    async def prepare(cls, market: Market) -> Baselines:
        """Make the accounts and the sequence that the baselines use."""
        await market.pool.execute(_SQL["prepare"])
        await market.pool.execute(_SQL["sequence"])
        base_account: int = await market.pool.fetchval(_SQL["base_account"])
        return cls(market, base_account)

    async def naive(self, connections: int, seconds: float) -> float:
        """Sales per second of a transaction per order and step, a round trip per statement."""
        return await self._loop(connections, seconds, self._naive_sale)

    async def _naive_sale(self, conn: Connection, goods: Goods, order_id: int) -> None:
        # A code that another order took between our snapshot and our lock is refused by its key: again.
        while True:
            try:
                await self._naive_reserve(conn, goods, order_id)
                break
            except asyncpg.UniqueViolationError:
                continue
        await self._naive_close(conn, goods, order_id)

    async def _naive_reserve(self, conn: Connection, goods: Goods, order_id: int) -> None:
        channel_id = self._market.terms.channel_id
        async with conn.transaction():
            slot: int = await conn.fetchval(_SQL["free_code"], goods.lane, goods.shelf_id)
            await conn.execute(_SQL["add_order"], order_id, goods.lane, channel_id, f"N{order_id}", _HASH)
            await conn.execute(_SQL["add_line"], order_id, goods.lane, goods.listing_id, goods.sku_id)
            await conn.execute(_SQL["add_allocation"], goods.lane, goods.shelf_id, slot, order_id)
            await conn.execute(_SQL["add_open"], order_id, channel_id)
            await conn.execute(_SQL["add_mark"], goods.lane, goods.sku_id, goods.listing_id)

    async def _naive_close(self, conn: Connection, goods: Goods, order_id: int) -> None:
        async with conn.transaction():
            await conn.execute(_SQL["add_move"], order_id)
            await conn.execute(_SQL["drop_open"], order_id)
            await conn.execute(_SQL["add_transaction"], order_id, goods.lane, self._market.terms.plan_id)
            await conn.execute(_SQL["add_entries"], order_id, self._base_account)

    async def pgbench(self, waiting: int, seconds: float) -> float:
        """Sales per second of pgbench: two statements per order, nothing to choose, no Python."""
        script = str(files("benchmarks").joinpath("pgbench.script"))
        clients = min(waiting, _PGBENCH_CLIENTS)
        command = [
            str(find_programs(os.environ) / "pgbench"),
            "--no-vacuum",
            "--protocol=prepared",
            f"--client={clients}",
            f"--jobs={min(clients, 2)}",
            f"--time={max(1, round(seconds))}",
            f"--define=base={self._base_account}",
            f"--file={script}",
            self._market.dsn,
        ]
        done = await asyncio.to_thread(
            subprocess.run, command, capture_output=True, text=True, check=False, timeout=60 + seconds
        )
        found = _TPS.search(done.stdout)
        assert found, f"pgbench failed: {done.stderr[-500:]}"
        return float(found[1])

    async def bulk(self, sales: int) -> float:
        """Sales per second of the two statements that write so many sales at once."""
        each = sales // len(self._market.goods)
        count = each * len(self._market.goods)
        async with self._market.pool.acquire() as conn:
            base: int = await conn.fetchval(_SQL["block"], count + 1)
            started = time.perf_counter()
            await conn.fetchrow(_SQL["bulk_reserve"], base, each, timeout=_BULK_SECONDS)
            await conn.execute(
                _SQL["bulk_close"],
                base,
                count,
                self._market.terms.plan_id,
                self._base_account,
                timeout=_BULK_SECONDS,
            )
            return count / (time.perf_counter() - started)

    async def _loop(self, count: int, seconds: float, sell: Sell) -> float:
        """Closed loop over so many connections, each with one order under way."""
        async with _connections(self._market.dsn, count) as connections:
            rng = random.Random(11)
            base: int = await self._market.pool.fetchval(_SQL["block"], 10_000_000)
            numbers = iter(range(base, base + 10_000_000))
            for conn in connections:
                await sell(conn, rng.choice(self._market.goods), next(numbers))
            started = time.perf_counter()

            async def buyer(conn: Connection) -> int:
                sold = 0
                while time.perf_counter() < started + seconds:
                    await sell(conn, rng.choice(self._market.goods), next(numbers))
                    sold += 1
                return sold

            sold = sum(await asyncio.gather(*(buyer(conn) for conn in connections)))
            return sold / (time.perf_counter() - started)


@asynccontextmanager
async def _connections(dsn: str, count: int) -> AsyncIterator[list[Connection]]:
    connections: list[Connection] = [await asyncpg.connect(dsn) for _ in range(count)]
    try:
        yield connections
    finally:
        for conn in connections:
            conn.terminate()
