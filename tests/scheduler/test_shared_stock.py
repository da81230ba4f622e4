"""What one channel sells or gives back all of them show at once; until then no page calls them settled."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from connectors.kit.messages import OrderPage
from core.offers.closures.guarding import Guard
from core.types import OrderState, Payment
from core.views.stock import listings
from scheduler.composition import utc_now
from scheduler.driver import ChannelDriver, Drive, Pace
from scheduler.loops.push import Pusher
from tests.e2e.house import until
from tests.scheduler.bench import Bench, Stall, open_bench
from web.services import ServedChannel

# Nothing goes round by itself while a test lasts: what happens was woken.
_NEVER_SECONDS = 3600.0
_PACE = Pace(_NEVER_SECONDS, _NEVER_SECONDS, _NEVER_SECONDS, _NEVER_SECONDS, _NEVER_SECONDS)


@pytest.fixture
async def bench(dsn: str, tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench(dsn, tmp_path, codes=10, channels=2) as opened:
        yield opened


@asynccontextmanager
async def driven(bench: Bench) -> AsyncIterator[list[ChannelDriver]]:
    """Both channels driven as a daemon drives them."""
    timetable = AsyncIOScheduler(timezone="UTC")
    timetable.start()
    drivers: list[ChannelDriver] = []

    def wake_pushes() -> None:
        for driver in drivers:
            driver.wake("push")

    drive = Drive(
        bench.core.pool,
        bench.outbox,
        bench.core.intake,
        bench.core.fulfilment,
        Guard(bench.core.pool, utc_now),
        timetable,
        None,
        lambda channel, subject, ok: None,
        lambda channel, lags: None,
        wake_pushes,
    )
    drivers += [
        ChannelDriver(ServedChannel(stall.terms, stall.connector), drive, _PACE) for stall in bench.stalls
    ]
    for driver in drivers:
        await driver.start()
    try:
        yield drivers
    finally:
        for driver in drivers:
            await driver.stop()
        timetable.shutdown(wait=False)


def shown(stall: Stall) -> int:
    offer = stall.connector.shown.get(stall.listing_ref)
    return offer.quantity if offer is not None and offer.on else 0


async def dirty(bench: Bench) -> list[str]:
    """The channels whose listing is not settled, as pages tell it."""
    async with bench.core.pool.acquire() as conn:
        return [view.channel for view in await listings(conn) if view.dirty]


async def test_an_order_that_is_pulled_and_one_that_is_taken_back_move_every_channel_at_once(
    bench: Bench,
) -> None:
    first, second = bench.stalls
    async with driven(bench) as (driver, _):
        await until(lambda: (shown(first), shown(second)) == (5, 5), "both show their share")
        told = bench.told("a", payment=Payment.PENDING, quantity=2)
        first.connector.pages.append(OrderPage([told], "1"))
        driver.wake("pull")
        await until(lambda: shown(second) == 4, "the other shows less")
        first.connector.pages.append(OrderPage([replace(told, payment=Payment.CANCELLED)], "2"))
        driver.wake("pull")
        await until(lambda: shown(second) == 5, "the other shows it again")


async def test_a_reservation_that_ran_out_is_shown_by_every_channel_at_once(bench: Bench) -> None:
    first, second = bench.stalls
    async with driven(bench) as (driver, _):
        await until(lambda: (shown(first), shown(second)) == (5, 5), "both show their share")
        ends = utc_now() + timedelta(seconds=2)
        told = replace(bench.told("a", payment=Payment.PENDING, quantity=2), hold_until=ends)
        first.connector.pages.append(OrderPage([told], "1"))
        driver.wake("pull")
        await until(lambda: shown(second) == 4, "the other shows less")

        async def shown_again() -> bool:
            driver.wake("deliver")
            return shown(second) == 5

        await until(shown_again, "the other shows it again")
        assert await bench.state("a") is OrderState.RELEASED


async def test_a_listing_whose_channel_has_not_read_of_a_sale_is_not_called_settled(bench: Bench) -> None:
    first, second = bench.stalls
    for _ in range(2):
        await bench.make_due()
        for stall in bench.stalls:
            await Pusher(bench.outbox, stall.terms, stall.connector, stall.connector.traits).push()
    assert await dirty(bench) == []
    await bench.take_in(bench.told("a"))
    assert await dirty(bench) == [first.terms.name, second.terms.name]
    for stall, left in ((second, [first.terms.name]), (first, [])):
        await bench.make_due()
        await Pusher(bench.outbox, stall.terms, stall.connector, stall.connector.traits).push()
        assert await dirty(bench) == left
