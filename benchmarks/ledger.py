"""Measures the journal's books: `python -m benchmarks.ledger [--quick|--full]`.

What sealing and verifying take; what reading balances takes as the journal grows, against a plain aggregate
over the same entries; and what the sales pay for it all.
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
from core.db.pool import Pool, open_pool
from core.db.queries import load_queries
from core.money.journal.sealing import Sealing
from core.money.journal.verifying import verify
from core.views.ledger import balances

_SQL = load_queries("benchmarks", "ledger.sql")
_SEED_SECONDS = 1800.0
_WAITING = 64
_READS = 15
_WRITTEN_TOGETHER = 500


@dataclass(frozen=True, slots=True)
class Size:
    """How long everything takes."""

    orders: tuple[int, ...]
    rounds: int
    sales: int


QUICK = Size((2_000, 20_000, 200_000), 15, 3_200)
USUAL = Size((10_000, 100_000, 500_000), 21, 6_400)
FULL = Size((10_000, 100_000, 1_000_000), 31, 6_400)


async def measure(size: Size, console: Console) -> list[Figure]:
    """All figures, in the order in which they were measured."""
    figures: list[Figure] = []
    async with open_stand() as stand:
        for part in (_closing(stand, size), _growth(stand, size)):
            async for figure in part:
                figures.append(figure)
                console.print(f"{figure.what}: {figure.measured:,.4g} {figure.unit}", style="dim")
    return figures


async def _growth(stand: Stand, size: Size) -> AsyncIterator[Figure]:
    """Sealing, balances and verifying, at each size."""
    async with stand.empty() as dsn:
        pool = await open_pool(dsn, application_name="bench")
        try:
            await pool.execute(_SQL["add_accounts"])
            before, first = 0, 0.0
            for orders in size.orders:
                async for figure in _at_size(pool, before, orders):
                    yield figure
                    if figure.unit == "ms":
                        first = first or figure.measured
                        last = figure.measured
                before = orders
            what = f"growth of reading balances from {size.orders[0]:,} to {size.orders[-1]:,} orders"
            yield Figure(what, last, first, "ms", last / first, 2.0, at_most=True)
        finally:
            pool.terminate()


async def _at_size(pool: Pool, before: int, orders: int) -> AsyncIterator[Figure]:
    # Some at a time, as sales are closed: what one transaction wrote, the tail is looked through as a whole.
    for written in range(before, orders, _WRITTEN_TOGETHER):
        await pool.execute(_SQL["add_orders"], written, min(written + _WRITTEN_TOGETHER, orders))
    await pool.execute(_SQL["settle"], timeout=_SEED_SECONDS)
    started = time.perf_counter()
    sealed = await Sealing(pool, utc_now).catch_up()
    rate = sealed / (time.perf_counter() - started)
    yield Figure(f"sealing, {orders:,} orders", rate, None, "orders/s", rate, None)

    async def kept() -> object:
        async with pool.acquire() as conn:
            return await balances(conn)

    quick = await _median_ms(kept, _READS)
    plain = await _median_ms(lambda: pool.fetch(_SQL["plain_balances"]), 5)
    what = f"balances, {orders * 5:,} entries, against a plain aggregate"
    yield Figure(what, quick, plain, "ms", quick / plain, None)
    started = time.perf_counter()
    verdict = await verify(pool)
    assert verdict.ok, verdict.findings
    rate = verdict.sealed / (time.perf_counter() - started)
    yield Figure(f"verifying, {orders:,} orders", rate, None, "orders/s", rate, None)


async def _median_ms(read: Callable[[], Awaitable[object]], times: int) -> float:
    took = []
    for _ in range(times):
        started = time.perf_counter()
        await read()
        took.append((time.perf_counter() - started) * 1000)
    return statistics.median(took)


async def _closing(stand: Stand, size: Size) -> AsyncIterator[Figure]:
    """Closing sales with the books and without, in turns on one database; nothing is sealed meanwhile."""
    stock = Stock("books", 100, size.sales * 2 * (size.rounds + 1) // 60, 1)
    await stand.fill(stock)
    rates: dict[str, list[float]] = {"with_books": [], "without_books": []}
    async with stand.market(stock) as market:
        await market.pool.execute(_SQL["close_a_month"])
        seller = Seller(market)
        for number in range(size.rounds + 1):
            for name in (list, reversed)[number % 2](list(rates)):
                await market.pool.execute(_SQL["without_books"])
                if name == "with_books":
                    await market.pool.execute(_SQL["with_books"])
                await _close_rate(market, seller, _WAITING * 8)
                rate = await _close_rate(market, seller, size.sales)
                if number:  # the first round warms up
                    rates[name].append(rate)
    # Each round against its neighbour: what else the machine does changes by the minute.
    ratios = [kept / bare for kept, bare in zip(*rates.values(), strict=True)]
    loss = 1 - statistics.median(ratios)
    low, _, high = statistics.quantiles(ratios, n=4)
    note = f"half of the pairs of rounds say {1 - high:.0%} to {1 - low:.0%}"
    what = f"what closing sales loses by the books, {_WAITING} waiting"
    kept, bare = (statistics.median(found) for found in rates.values())
    yield Figure(what, kept, bare, "sales/s", loss, 0.03, at_most=True, note=note)


async def _close_rate(market: Market, seller: Seller, sales: int) -> float:
    """Sales closed per second, of orders that were all reserved before."""
    orders = iter([await one for one in [asyncio.ensure_future(seller.reserve()) for _ in range(sales)]])
    await market.checkpoint()
    started = time.perf_counter()

    async def deliver() -> None:
        for order in orders:
            await seller.close(order)

    await asyncio.gather(*(deliver() for _ in range(_WAITING)))
    return sales / (time.perf_counter() - started)


def main() -> None:
    """Read the command line, measure, tell."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ledger", description=__doc__)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--quick", action="store_true", help="200,000 orders: about a minute")
    length.add_argument("--full", action="store_true", help="a million orders")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    asked = parser.parse_args()
    mode, size = ("quick", QUICK) if asked.quick else ("full", FULL) if asked.full else ("usual", USUAL)
    console = Console(width=None if Console().is_terminal else 180)
    figures = uvloop.run(measure(size, console))
    show(figures, console)
    if asked.json is not None:
        write(figures, mode, asked.json)


if __name__ == "__main__":
    main()
