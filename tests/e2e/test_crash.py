"""Killed at random moments under load, daemon and PostgreSQL alike: nothing is lost or happens twice."""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from config.settings import Settings
from connectors.sandbox.eneba import EnebaSandbox
from connectors.sandbox.eneba_books import EnebaTerms
from connectors.sandbox.eneba_health import HealthRules
from connectors.sandbox.faults import SOME
from scheduler.composition import open_channels, open_core
from scheduler.demo.house import link_everything, stock_up
from scheduler.demo.markets import list_everywhere
from tests.e2e.house import (
    Markets,
    judge,
    some_skus,
    three_markets,
    until,
    wait_until_calm,
    write_house_settings,
)
from tests.e2e.processes import Crowd, DaemonProcess, kill_postgres

pytestmark = [pytest.mark.crash, pytest.mark.timeout(600)]

_DAEMON, _POSTGRES, _BOTH = "the daemon", "PostgreSQL", "both"
_KILLS = [_DAEMON] * 11 + [_POSTGRES] * 8 + [_BOTH] * 3
_CALM_SECONDS = 150.0


def patient_markets(seed: int) -> Markets:
    """The demo's marketplaces, with an Eneba that gives a seller who was killed time to come back."""
    markets = three_markets(seed)
    eneba = EnebaSandbox(
        terms=EnebaTerms(
            requests_per_minute=6000,
            price_quota=1000,
            provide_retry_seconds=4.0,
            cancel_retry_seconds=4.0,
            late_seconds=1.0,
            abandon_after_seconds=1.0,
            cancels_failed_reservations=True,
        ),
        health=HealthRules(lines={}, failures_in_a_row=1_000_000),
        seed=seed,
    )
    return Markets(eneba, markets.kinguin, markets.woocommerce)


async def furnish(settings: Settings, folder: Path, markets: Markets) -> int:
    """Catalogue, codes and listings, before the first daemon comes."""
    skus = some_skus(6, codes=400)
    list_everywhere(markets.all, skus)
    async with open_core(settings, "test") as core:
        imported = await stock_up(core, skus, folder, seed=1)
        async with open_channels(core) as channels:
            await link_everything(core, channels, markets.all, skus)
    return imported


@dataclass(slots=True)
class Ordeal:
    """The rounds, told as they happen."""

    daemon: DaemonProcess
    data_dir: Path
    crowd: Crowd
    rng: random.Random
    capsys: pytest.CaptureFixture[str]
    slowest_seconds: float = 0.0

    async def suffer(self, number: int, victim: str) -> None:
        """Let them trade for a while, kill, and start again what does not start by itself."""
        wait_seconds = self.rng.uniform(0.6, 2.4)
        await asyncio.sleep(wait_seconds)
        if victim is not _POSTGRES:
            await self.daemon.kill()
        killed = victim is _DAEMON or kill_postgres(self.data_dir)
        back_seconds = 0.0 if victim is _POSTGRES else await self.daemon.start()
        self.slowest_seconds = max(self.slowest_seconds, back_seconds)
        self.tell(
            f"round {number:2}: {victim} {'killed' if killed else 'was already dead'} after "
            f"{wait_seconds:.1f} s, {len(self.crowd.placed)} orders so far"
            + (f", served again after {back_seconds:.1f} s" if back_seconds else "")
        )

    def tell(self, line: str) -> None:
        """Show a line at once, whatever pytest keeps to itself."""
        with self.capsys.disabled():
            sys.stdout.write(f"  {line}\n")
            sys.stdout.flush()


async def test_nothing_is_lost_or_doubled_however_often_anything_is_killed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = int(os.environ.get("CONSIGND_CRASH_SEED") or random.SystemRandom().randrange(1_000_000))
    rng = random.Random(seed)
    markets = patient_markets(seed)
    async with AsyncExitStack() as stack:
        for market in markets.all:
            await stack.enter_async_context(market)
        settings = write_house_settings(tmp_path, markets, {})
        await furnish(settings, tmp_path, markets)
        daemon = DaemonProcess(tmp_path, settings.web.port)
        stack.push_async_callback(daemon.end)
        await daemon.start()
        await until(
            lambda: all(each.quantity > 0 for market in markets.all for each in market.listings.values()),
            "every listing is on sale",
        )
        crowd = Crowd(markets, per_second=1.5, seed=seed)
        ordeal = Ordeal(daemon, settings.data_dir, crowd, rng, capsys)
        ordeal.tell(f"\n  CONSIGND_CRASH_SEED={seed}")
        try:
            await _suffer_all(ordeal, markets)
            await _find_peace(ordeal, settings, markets)
        except BaseException:
            ordeal.tell(daemon.last_words())
            raise


async def _suffer_all(ordeal: Ordeal, markets: Markets) -> None:
    kills = list(_KILLS)
    ordeal.rng.shuffle(kills)
    async with ordeal.crowd.shopping():
        for market in markets.all:
            market.faults.rates.update(SOME)
        for number, victim in enumerate(kills, start=1):
            await ordeal.suffer(number, victim)
        await asyncio.sleep(1.0)
        markets.calm_down()


async def _find_peace(ordeal: Ordeal, settings: Settings, markets: Markets) -> None:
    """The daemon that lives on brings everything to its end; the test only looks."""
    started = time.monotonic()
    async with open_core(settings, "test") as core, open_channels(core) as channels:
        await wait_until_calm(core, channels, markets, seconds=_CALM_SECONDS)
        calm_seconds = time.monotonic() - started
        verdict = await judge(core, channels, markets)
    delivered = sum(market.counts().delivered for market in markets.all)
    ordeal.tell(
        f"{len(ordeal.crowd.placed)} orders, {delivered} delivered, {ordeal.crowd.refused} refused, "
        f"calm after {calm_seconds:.1f} s, slowest start {ordeal.slowest_seconds:.1f} s"
    )
    assert not verdict.wrong, f"\n{verdict}"
    assert delivered > 0
    assert all(sum(market.faults.happened.values()) for market in markets.all)
