"""Runs the demo: set up, sell for a while under faults, then calm down, converge, and tell how it went."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import structlog

from connectors.sandbox.market import SandboxMarket
from core.views.invariants import CheckReport, check
from scheduler.composition import Channels, Core, open_channels, open_core, utc_now
from scheduler.daemon import Daemon
from scheduler.demo.calm import Calm, orders_unended
from scheduler.demo.house import House, link_everything, stock_up, write_settings
from scheduler.demo.markets import (
    Shoppers,
    ShoppingTally,
    channel_name,
    demo_skus,
    faults_happened,
    list_everywhere,
    make_markets,
)
from scheduler.terms import bound_permille

_OPENING_SECONDS = 60.0
_STOP_SECONDS = 15.0

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """How long (None: until stopped), with which faults and shoppers."""

    seconds: float | None
    faults: str = "some"
    seed: int = 1
    skus: int = 24
    shoppers_per_second: float = 4.0
    log_level: str = "warning"


@dataclass(frozen=True, slots=True)
class Scene:
    """The demo while it plays, for whoever wants to show it."""

    house: House
    core: Core
    channels: Channels
    daemon: Daemon
    markets: Sequence[SandboxMarket]
    tally: ShoppingTally
    codes_imported: int
    listings: int
    started_at: float


@dataclass(frozen=True, slots=True)
class DemoResult:
    """How it went."""

    scene: Scene
    report: CheckReport
    convergence_seconds: float
    converged: bool
    unended: int

    @property
    def ok(self) -> bool:
        """All invariants hold, everything converged, and every accepted order came to its end."""
        return self.report.ok and self.converged and not self.unended

    def to_json(self) -> dict[str, object]:
        """The shape that operators script against."""
        counts = {market.name: market.counts() for market in self.scene.markets}
        tally = self.scene.tally
        return {
            # What the marketplaces sold and what they would not sell; a buyer may make several orders.
            "orders_placed": sum(count.orders for count in counts.values()) + tally.refused,
            "orders_delivered": sum(count.delivered for count in counts.values()),
            "orders_refused": tally.refused,
            "codes_imported": self.scene.codes_imported,
            "codes_delivered": sum(
                len(order.codes) for market in self.scene.markets for order in market.orders.values()
            ),
            "listings": self.scene.listings,
            "convergence_seconds": round(self.convergence_seconds, 2),
            "faults": faults_happened(self.scene.markets),
            "invariants": self.report.to_json()["invariants"],
            "markets": {
                name: {
                    "orders": count.orders,
                    "delivered": count.delivered,
                    "duplicates_received": count.duplicates_received,
                    "oversold": count.oversold,
                }
                for name, count in counts.items()
            },
        }


async def run_demo(
    options: DemoOptions, stop: asyncio.Event, show: Callable[[Scene], None] | None = None
) -> DemoResult:
    """Play the demo until its time is over or `stop` is set; everything it made is removed afterwards.

    `show` is called once when the doors are open.
    """
    async with AsyncExitStack() as stack:
        data_dir = Path(tempfile.mkdtemp(prefix="consignd-demo-"))
        stack.callback(shutil.rmtree, data_dir, ignore_errors=True)
        markets = make_markets(options.faults, options.seed)
        quiet = [dict(market.faults.rates) for market in markets]
        for market in markets:
            market.faults.off()
            await stack.enter_async_context(market)
        house = write_settings(data_dir, markets, options.log_level)
        core = await stack.enter_async_context(open_core(house.settings, "consignd demo"))
        scene = await _open_doors(options, house, core, markets, stack)
        for market, rates in zip(markets, quiet, strict=True):
            market.faults.rates.update(rates)
        if show is not None:
            show(scene)
        await _sell(options, scene, stop)
        return await _close_up(scene)


async def _open_doors(
    options: DemoOptions,
    house: House,
    core: Core,
    markets: Sequence[SandboxMarket],
    stack: AsyncExitStack,
) -> Scene:
    """Everything in place: catalogue, codes, listings, and the daemon at work."""
    skus = demo_skus(options.skus, options.seed)
    list_everywhere(markets, skus)
    imported = await stock_up(core, skus, house.settings.data_dir, options.seed)
    channels = await stack.enter_async_context(open_channels(core))
    listings = await link_everything(core, channels, markets, skus)
    daemon = Daemon(core, channels)
    leave = asyncio.Event()
    task = asyncio.create_task(daemon.run(leave))
    stack.push_async_callback(_stop_daemon, task, leave)
    scene = Scene(
        house, core, channels, daemon, markets, ShoppingTally(), imported, listings, time.monotonic()
    )
    await _wait_until_listed(scene, task)
    return scene


async def _stop_daemon(task: asyncio.Task[None], leave: asyncio.Event) -> None:
    leave.set()
    async with asyncio.timeout(_STOP_SECONDS):
        await task


async def _wait_until_listed(scene: Scene, daemon: asyncio.Task[None]) -> None:
    """Shoppers come when the shelves are filled, at every marketplace."""
    deadline = time.monotonic() + _OPENING_SECONDS
    while not all(
        any(listing.on and listing.quantity for listing in m.listings.values()) for m in scene.markets
    ):
        if daemon.done():
            daemon.result()
        if time.monotonic() > deadline:
            raise TimeoutError(f"no offers were published within {_OPENING_SECONDS:.0f} seconds")
        await asyncio.sleep(0.1)


async def _sell(options: DemoOptions, scene: Scene, stop: asyncio.Event) -> None:
    closing = asyncio.Event()
    rate = options.shoppers_per_second / len(scene.markets)
    shoppers = [
        asyncio.create_task(Shoppers(market, rate, options.seed + n, scene.tally).shop(closing))
        for n, market in enumerate(scene.markets)
    ]
    meddlers = [asyncio.create_task(market.edits()) for market in scene.markets]
    try:
        await asyncio.wait_for(stop.wait(), options.seconds)
    except TimeoutError:
        pass
    finally:
        closing.set()
        for meddler in meddlers:
            meddler.cancel()
        await asyncio.gather(*shoppers, *meddlers, return_exceptions=True)


async def _close_up(scene: Scene) -> DemoResult:
    """Stop the faults and see whether everything finds its place."""
    for market in scene.markets:
        market.faults.off()
    calm = Calm(scene.core, scene.channels, scene.daemon, {channel_name(m): m for m in scene.markets})
    seconds, converged = await calm.wait()
    report = await check(
        scene.core.pool,
        bound_permille=bound_permille(scene.house.settings),
        now=utc_now(),
        vault=scene.core.vault,
        strict=True,
    )
    return DemoResult(scene, report, seconds, converged, await orders_unended(scene.core))
