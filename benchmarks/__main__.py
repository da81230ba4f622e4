"""Measures the product against its baselines on a server of its own: `python -m benchmarks [--quick|--full]`.

Contenders take turns on the same server; a figure is the ratio of their medians. Everything is bounded, and
the server and its folder are gone at the end, however it ends.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog
import uvloop
from rich.console import Console

from benchmarks import import_codes
from benchmarks.bare import BareSeller
from benchmarks.baselines import BEST_CONNECTIONS, Baselines
from benchmarks.figures import Figure, show, write
from benchmarks.offers_prices import recalculation
from benchmarks.offers_reconcile import reconcile
from benchmarks.offers_stand import open_shops
from benchmarks.offers_told import told
from benchmarks.peer_shop import Pattern
from benchmarks.peers import Peers, Run
from benchmarks.product import Seller, closed_loop, open_loop, tenths
from benchmarks.stand import Market, Stand, Stock, open_stand
from scheduler.collector import spare_collector

Contender = Callable[[], Awaitable[float]]


@dataclass(frozen=True, slots=True)
class Size:
    """How long everything takes."""

    rounds: int
    seconds: float
    codes: int
    bulk_sales: int
    long_sales: int
    import_rows: int
    listings: int
    told_sales: int
    large_codes: int | None = None


QUICK = Size(3, 1.0, 1_000_000, 50_000, 100_000, 20_000, 10_000, 50)
USUAL = Size(3, 3.0, 1_000_000, 200_000, 200_000, 100_000, 100_000, 300)
# All rounds of a market together must not sell it out.
FULL = Size(5, 3.0, 1_000_000, 100_000, 1_000_000, 1_000_000, 100_000, 1_000, large_codes=11_000_000)
_CHANNELS = 10
_SHORT_TURNS = 5
# Whoever waits has a connection, unless a pool spares the server what hinders it.
_POOLED = f"naive on a pool of {BEST_CONNECTIONS}"


async def measure(size: Size, only: str, lanes: int, console: Console) -> list[Figure]:
    """All figures, in the order in which they were measured."""
    figures: list[Figure] = []
    spare_collector()
    async with open_stand() as stand:
        spread = Stock("spread", 1000, size.codes // 1000, lanes)
        hot = Stock("hot", 1, size.codes, 1)
        parts: dict[str, Callable[[], AsyncIterator[Figure]]] = {
            "spread": lambda: _throughput(stand, spread, size, Reach(7, 1.4, 0.6)),
            "hot": lambda: _throughput(stand, hot, size, Reach(10, None, 0.85)),
            "peers": lambda: _peers(stand, (spread, hot), size),
            "latency": lambda: _latency(stand, spread, size),
            "bare": lambda: _bare(stand, size),
            "long": lambda: _long_run(stand, size, lanes),
            "large": lambda: _large(stand, spread, size),
            "import": lambda: _import(stand, size),
            "offers": lambda: _offers(stand, size),
        }
        chosen = [name for name in parts if only in ("", name)]
        for stock in (spread, hot):
            if only in ("", "peers", stock.name) or (stock is spread and only in ("latency", "large")):
                with console.status(f"filling {stock.name} with {size.codes:,} codes"):
                    await stand.fill(stock)
        for name in chosen:
            with console.status(f"measuring {name}"):
                async for figure in parts[name]():
                    figures.append(figure)
                    console.print(f"{name}: {figure.what}: {figure.measured:,.4g} {figure.unit}", style="dim")
    return figures


@dataclass(frozen=True, slots=True)
class Reach:
    """What the ratios should be at least."""

    naive: float
    pgbench: float | None
    bulk: float


async def _throughput(stand: Stand, stock: Stock, size: Size, reach: Reach) -> AsyncIterator[Figure]:
    for waiting, aims in (
        (1, {"naive": None, "pgbench": None}),
        (64, {"naive": reach.naive, _POOLED: None, "pgbench": reach.pgbench}),
        (512, {"bulk": reach.bulk}),
    ):
        async with stand.market(stock) as market:
            contenders = await _contenders(market, size, waiting)
            chosen = {name: contenders[name] for name in ("product", *aims)}
            rates = await _in_turns(market, chosen, size.rounds)
            await market.check()
        for name, aim in aims.items():
            what = f"{stock.name}, {waiting} waiting, against {name}"
            ratio = rates["product"] / rates[name]
            yield Figure(what, rates["product"], rates[name], "sales/s", ratio, aim)


async def _contenders(market: Market, size: Size, waiting: int) -> dict[str, Contender]:
    baselines = await Baselines.prepare(market)
    seller = Seller(market)
    return {
        "product": lambda: closed_loop(seller, waiting, size.seconds),
        "naive": lambda: baselines.naive(waiting, size.seconds),
        _POOLED: lambda: baselines.naive(BEST_CONNECTIONS, size.seconds),
        "pgbench": lambda: baselines.pgbench(waiting, size.seconds),
        "bulk": lambda: baselines.bulk(size.bulk_sales),
    }


async def _in_turns(market: Market, contenders: Mapping[str, Contender], rounds: int) -> dict[str, float]:
    """The median rate of each; they take turns, so that what else the machine does hits all alike."""
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            await market.checkpoint()
            rates[name].append(await contender())
    return {name: statistics.median(found) for name, found in rates.items()}


async def _peers(stand: Stand, stocks: Sequence[Stock], size: Size) -> AsyncIterator[Figure]:
    for stock in stocks:
        runs: dict[str, list[Run]] = {pattern: [] for pattern in Pattern}
        async with stand.market(stock) as market:
            # Makes the accounts that a sale is split to.
            await Baselines.prepare(market)
            peers = await Peers.prepare(market.pool, market.dsn, stock.codes_each // 2)
            rates = await _in_turns(market, _beside_peers(market, peers, runs, size.seconds), size.rounds)
        for pattern, played in runs.items():
            what = f"{stock.name}, 64 waiting, against a simulated ORM client: {pattern}"
            ratio, note = rates["product"] / rates[pattern], _peers_note(played)
            yield Figure(what, rates["product"], rates[pattern], "sales/s", ratio, 40, note=note)


def _beside_peers(
    market: Market, peers: Peers, runs: Mapping[str, list[Run]], seconds: float
) -> dict[str, Contender]:
    """The product and every pattern; what the clients of a pattern did is added to its runs."""
    seller = Seller(market)

    async def play(pattern: Pattern) -> float:
        run = await peers.play(pattern, 64, seconds)
        runs[pattern].append(run)
        return run.sales_per_second

    contenders: dict[str, Contender] = {pattern: partial(play, pattern) for pattern in Pattern}
    return {"product": lambda: closed_loop(seller, 64, seconds)} | contenders


def _peers_note(runs: Sequence[Run]) -> str:
    """What is told of a pattern beside its rate: medians, and the worst round's share of double sales."""
    p50_ms = statistics.median(run.p50_ms for run in runs)
    p99_ms = statistics.median(run.p99_ms for run in runs)
    twice = max(run.sold_twice for run in runs)
    took = f"theirs: p50 {p50_ms:,.0f}, p99 {p99_ms:,.0f} ms, {twice:.1%} sold twice"
    return f"{took}; the pattern is played, it is no shop's own program"


async def _latency(stand: Stand, spread: Stock, size: Size) -> AsyncIterator[Figure]:
    for offered in (2_000, 5_000, 10_000):
        async with stand.market(spread) as market:
            seller = Seller(market)
            await closed_loop(seller, 64, size.seconds / 2)
            found = await open_loop(seller, offered, size.seconds * 2)
        note = (
            f"p50 {found.p50_ms:.1f}, p99.9 {found.p999_ms:.1f} ms; served {found.served_per_second:,.0f}/s"
        )
        aim = 10.0 if offered == 10_000 else None
        what = f"latency p99 at {offered:,} sales/s offered"
        yield Figure(what, found.p99_ms, None, "ms", found.p99_ms, aim, at_most=True, note=note)


async def _bare(stand: Stand, size: Size) -> AsyncIterator[Figure]:
    """What the machine gives to the core of the design alone: the aims were found with it, on another one."""
    for name, skus in (("spread", 1000), ("hot", 1)):
        async with stand.pool() as pool:
            # It sells faster than we do: all rounds together must not sell it out.
            seller = await BareSeller.prepare(pool, skus, 2 * size.codes // skus)
            found = await open_loop(seller, 10_000, size.seconds * 2)
            rates: list[tuple[float, float]] = []
            for _ in range(size.rounds):
                waiting = await closed_loop(seller, 512, size.seconds)
                rates.append((waiting, await seller.bulk(size.bulk_sales)))
        product, bulk = (statistics.median(column) for column in zip(*rates, strict=True))
        yield Figure(
            f"bare core: {name}, 512 waiting, against bulk", product, bulk, "sales/s", product / bulk, None
        )
        note = f"p50 {found.p50_ms:.1f} ms; served {found.served_per_second:,.0f}/s"
        what = f"bare core: {name}, latency p99 at 10,000 sales/s offered"
        yield Figure(what, found.p99_ms, None, "ms", found.p99_ms, None, note=note)


async def _long_run(stand: Stand, size: Size, lanes: int) -> AsyncIterator[Figure]:
    """Loss of speed while a snapshot stays open, as a dump or a report leaves one."""
    stock = Stock("long", 1000, size.long_sales // 1000 * 3 // 2, lanes)
    await stand.fill(stock)
    async with stand.market(stock) as market:
        seller = Seller(market)
        await closed_loop(seller, 64, size.seconds)
        async with market.pool.acquire() as watcher, watcher.transaction(isolation="repeatable_read"):
            await watcher.fetchval("SELECT count(*) FROM sku")
            rates = await tenths(seller, 64, size.long_sales)
    loss = 1 - rates[-1] / rates[0]
    note = "tenths: " + " ".join(f"{rate / 1000:.1f}k" for rate in rates)
    what = f"loss of speed over {size.long_sales:,} sales under an open snapshot"
    yield Figure(what, rates[-1], rates[0], "sales/s", loss, 0.15, at_most=True, note=note)


async def _large(stand: Stand, spread: Stock, size: Size) -> AsyncIterator[Figure]:
    if size.large_codes is None:
        return
    large = Stock("large", 1000, size.large_codes // 1000, spread.lanes)
    await stand.fill(large)
    async with stand.market(spread) as few, stand.market(large) as many:
        sellers = Seller(few), Seller(many)
        for seller in sellers:
            await closed_loop(seller, 64, size.seconds)
        rates: list[tuple[float, float]] = []
        # Many short turns: the machine changes by more from minute to minute than there is to be found.
        for _ in range(_SHORT_TURNS * size.rounds):
            pair = [await closed_loop(seller, 64, size.seconds / _SHORT_TURNS) for seller in sellers]
            rates.append((pair[0], pair[1]))
    loss = 1 - statistics.median(after / before for before, after in rates)
    before, after = (statistics.median(column) for column in zip(*rates, strict=True))
    what = f"loss of speed with {size.large_codes:,} codes instead of {size.codes:,}"
    yield Figure(what, after, before, "sales/s", loss, 0.05, at_most=True)


async def _import(stand: Stand, size: Size) -> AsyncIterator[Figure]:
    async with stand.empty() as dsn:
        found = await import_codes.measure(dsn, size.import_rows)
    imported, copied = found["import_rows_per_second"], found["copy_rows_per_second"]
    what = f"import of {size.import_rows:,} codes, against COPY into the same keys"
    yield Figure(what, imported, copied, "rows/s", imported / copied, 0.5)


async def _offers(stand: Stand, size: Size) -> AsyncIterator[Figure]:
    """From a sale to all other channels, and the rounds over all listings."""
    async for figure in told(stand, size.told_sales):
        yield figure
    async with open_shops(stand, _CHANNELS, size.listings // _CHANNELS) as shops:
        async for figure in recalculation(shops):
            yield figure
        async for figure in reconcile(shops):
            yield figure


def main() -> None:
    """Read the command line, measure, tell."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--quick", action="store_true", help="a first look, with less of everything")
    length.add_argument("--full", action="store_true", help="a million sales, 11 million codes: half an hour")
    parser.add_argument(
        "--only", default="", help="one part: spread, hot, peers, latency, bare, long, large, import, offers"
    )
    # On two cores a second lane only makes the groups smaller: client, reserving and closing fill both.
    lanes = max(1, (os.cpu_count() or 2) // 2)
    parser.add_argument("--lanes", type=int, default=lanes, help=f"lanes of the 1,000 SKUs; here {lanes}")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    asked = parser.parse_args()
    mode, size = ("quick", QUICK) if asked.quick else ("full", FULL) if asked.full else ("usual", USUAL)
    console = Console(width=None if Console().is_terminal else 180)
    # What is told of every request and push is nothing to watch here, and costs time.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    logging.getLogger("apscheduler").setLevel(logging.CRITICAL)
    started = time.monotonic()
    figures = uvloop.run(measure(size, asked.only, asked.lanes, console))
    show(figures, console)
    console.print(f"{mode}, {time.monotonic() - started:.0f} s")
    if asked.json is not None:
        write(figures, mode, asked.json)


if __name__ == "__main__":
    main()
