"""Measures money as orders grow to a million: `python -m benchmarks.money [--quick] [--json FILE]`.

What closing orders posts a second; what reading balances and drawing settlements up take, against a plain
aggregate over the same entries; and transfers one by one, against a public ledger on the same server.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import uvloop
from rich.console import Console

from benchmarks.figures import Figure, show, write
from benchmarks.product import Seller, utc_now
from benchmarks.stand import Market, Stand, Stock, open_stand
from benchmarks.transfers import measure_transfers
from core.db.queries import load_queries
from core.money.journal.sealing import Sealing
from core.money.settlement.drawing import SettlementRuns
from core.money.settlement.terms import PayeeTerms, SettlementTerms
from core.views.ledger import balances

_PLAIN_BALANCES = load_queries("benchmarks", "ledger.sql")["plain_balances"]
_PLAIN_OWED = load_queries("benchmarks", "money.sql")["plain_owed"]
_ENTRIES_A_SALE = 5
_WAITING = 64
_SKUS = 100
_QUERY_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Size:
    """Up to how many orders, in which steps; and how many transfers a round, in how many rounds."""

    orders: tuple[int, ...]
    chunk: int
    reads: int
    transfers: int
    rounds: int


QUICK = Size((1_000, 4_000), 500, 5, 200, 3)
FULL = Size((10_000, 100_000, 1_000_000), 2_500, 15, 1_000, 7)


@dataclass(frozen=True, slots=True)
class Stage:
    """What was measured when so many orders were settled; milliseconds, but for what is per second."""

    orders: int
    entries_a_second: float
    balances_ms: float
    plain_balances_ms: float
    drawn_entries: int
    drawing_ms: float
    plain_owed_ms: float

    @property
    def drawn_a_second(self) -> float:
        """Entries that a settlement run took in and drew up."""
        return self.drawn_entries / self.drawing_ms * 1000


async def measure(size: Size, console: Console) -> list[Figure]:
    """All figures, in the order in which they were measured."""
    figures: list[Figure] = []
    async with open_stand() as stand:
        stages = []
        async for stage in _stages(stand, size):
            console.print(f"{stage.orders:,} orders: {stage.entries_a_second:,.0f} entries/s", style="dim")
            stages.append(stage)
        figures += [figure for stage in stages for figure in _figures(stage)]
        figures += _growth(stages[0], stages[-1])
        figures += await measure_transfers(stand, size.transfers, size.rounds, console)
    return figures


async def _stages(stand: Stand, size: Size) -> AsyncIterator[Stage]:
    # Which SKU is bought is drawn, so each has some codes more than its part.
    codes_each = size.orders[-1] * 11 // (10 * _SKUS) + 100
    stock = Stock("money", _SKUS, codes_each, 1)
    await stand.fill(stock)
    async with stand.market(stock) as market:
        # The first orders warm up.
        seller, before = Seller(market), size.chunk
        await _close_rate(market, seller, size.chunk)
        terms = SettlementTerms(PayeeTerms(approvals=0))
        runs = SettlementRuns(market.pool, terms, utc_now)
        for orders in size.orders:
            rates = [await _close_rate(market, seller, size.chunk) for _ in range(before, orders, size.chunk)]
            before = orders
            await Sealing(market.pool, utc_now).catch_up()
            yield await _look(market, runs, orders, statistics.median(rates), size.reads)
        await market.check()


async def _close_rate(market: Market, seller: Seller, sales: int) -> float:
    """Entries posted per second by closing orders that were all reserved before."""
    orders = iter([await one for one in [asyncio.ensure_future(seller.reserve()) for _ in range(sales)]])
    await market.checkpoint()

    async def deliver() -> None:
        for order in orders:
            await seller.close(order)

    started = time.perf_counter()
    await asyncio.gather(*(deliver() for _ in range(_WAITING)))
    return sales * _ENTRIES_A_SALE / (time.perf_counter() - started)


async def _look(market: Market, runs: SettlementRuns, orders: int, rate: float, reads: int) -> Stage:
    pool = market.pool

    async def kept() -> object:
        async with pool.acquire() as conn:
            return await balances(conn)

    balances_ms = await _median_ms(kept, reads)
    plain_ms = await _median_ms(lambda: pool.fetch(_PLAIN_BALANCES, timeout=_QUERY_SECONDS), 3)
    owed_ms = await _median_ms(lambda: pool.fetch(_PLAIN_OWED, timeout=_QUERY_SECONDS), 3)
    started = time.perf_counter()
    drawn = await runs.run([], utc_now(), actor="bench")
    drawing_ms = (time.perf_counter() - started) * 1000
    entries = sum(each.entries for each in drawn)
    return Stage(orders, rate, balances_ms, plain_ms, entries, drawing_ms, owed_ms)


async def _median_ms(read: Callable[[], Awaitable[object]], times: int) -> float:
    took = []
    for _ in range(times):
        started = time.perf_counter()
        await read()
        took.append((time.perf_counter() - started) * 1000)
    return statistics.median(took)


def _figures(stage: Stage) -> list[Figure]:
    at = f"{stage.orders:,} orders"
    posted, kept, plain = stage.entries_a_second, stage.balances_ms, stage.plain_balances_ms
    drawing, owed, note = stage.drawing_ms, stage.plain_owed_ms, f"{stage.drawn_a_second:,.0f} entries/s"
    drawn = f"drawing up a settlement of {stage.drawn_entries:,} entries, {at}, against a plain sum of all"
    return [
        Figure(f"closing, up to {at}", posted, None, "entries/s", posted, None),
        Figure(f"balances, {at}, against a plain aggregate", kept, plain, "ms", kept / plain, None),
        Figure(drawn, drawing, owed, "ms", drawing / owed, None, note=note),
    ]


def _growth(first: Stage, last: Stage) -> list[Figure]:
    """How much dearer one more is at the end than at the beginning: 1 would be exactly linear."""
    span = f"from {first.orders:,} to {last.orders:,} orders"

    def slower(what: str, begun: float, ended: float, unit: str, reach: float) -> Figure:
        return Figure(f"growth of {what} {span}", ended, begun, unit, ended / begun, reach, at_most=True)

    posting = 1e6 / first.entries_a_second, 1e6 / last.entries_a_second
    drawing = 1e6 / first.drawn_a_second, 1e6 / last.drawn_a_second
    return [
        slower("the time an entry takes", *posting, "µs", 1.5),
        slower("reading balances", first.balances_ms, last.balances_ms, "ms", 2.0),
        slower("the time an entry's settlement takes", *drawing, "µs", 1.5),
    ]


def main() -> None:
    """Read the command line, measure, tell."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.money", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few thousand orders instead of a million")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    asked = parser.parse_args()
    mode, size = ("quick", QUICK) if asked.quick else ("full", FULL)
    console = Console(width=None if Console().is_terminal else 180)
    figures = uvloop.run(measure(size, console))
    show(figures, console)
    if asked.json is not None:
        write(figures, mode, asked.json)


if __name__ == "__main__":
    main()
