"""Sales and levels are counted once, whatever comes late, twice or from several daemons at the same time."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from core.codes.allocator import Allocator
from core.db.pool import Pool
from core.offers.history.measuring import Measuring
from core.offers.history.selling import Selling, read_lags, read_selling
from core.types import OrderState, SkuId
from core.views.lag import channel_lags
from tests.factories import NOW, Shop, add_channel, add_codes, add_listing, add_shop, request


@dataclass(slots=True)
class Clock:
    """A clock that stands until it is set."""

    at: datetime

    def __call__(self) -> datetime:
        return self.at


@dataclass(slots=True)
class Place:
    """A SKU on two channels, what sells it, and what measures it."""

    pool: Pool
    clock: Clock
    here: Shop
    there: Shop
    allocator: Allocator
    measuring: Measuring

    async def sell(self, shop: Shop, at: datetime, quantity: int = 1, order_ref: str | None = None) -> None:
        """An order that comes in at a moment, which may have passed."""
        allocator = Allocator(self.pool, lambda: at)
        await allocator.reserve(request(shop, quantity=quantity, order_ref=order_ref))

    async def selling(self) -> Selling:
        async with self.pool.acquire() as conn:
            found = await read_selling(conn, [self.here.sku_id], self.clock.at)
        return found[self.here.sku_id]

    async def hours(self) -> dict[tuple[int, datetime], tuple[int, int]]:
        rows = await self.pool.fetch("SELECT * FROM sale_hour WHERE sku_id = $1", self.here.sku_id)
        return {(row["channel_id"], row["hour"]): (row["units"], row["lines"]) for row in rows}

    async def sums(self) -> list[tuple[float, ...]]:
        rows = await self.pool.fetch(
            "SELECT faded(quick_units, age, 600) AS quick, faded(slow_units, age, 604800) AS slow"
            " FROM selling"
            " CROSS JOIN LATERAL (SELECT extract(epoch FROM $1::timestamptz - counted_at)::float8 AS age) x"
            " ORDER BY sku_id, channel_id",
            self.clock.at,
        )
        return [(row["quick"], row["slow"]) for row in rows]


@pytest.fixture
async def place(pool: Pool) -> Place:
    clock = Clock(NOW)
    here = await add_shop(pool, codes=500)
    await pool.execute("UPDATE sku SET created_at = $1", NOW - timedelta(days=60))
    channel_id = await add_channel(pool)
    listing_id = await add_listing(pool, channel_id, here.sku_id)
    there = Shop(here.sku_id, here.lane, channel_id, listing_id, "", "")
    await count_from(pool, NOW - timedelta(days=2))
    return Place(pool, clock, here, there, Allocator(pool, clock), Measuring(pool, clock))


async def count_from(pool: Pool, moment: datetime) -> None:
    await pool.execute("UPDATE history_cursor SET reached = $1 WHERE subject LIKE '%sales'", moment)


async def test_sales_are_counted_by_channel_and_hour(place: Place) -> None:
    await place.sell(place.here, NOW - timedelta(hours=3), 4)
    await place.sell(place.here, NOW - timedelta(hours=3) + timedelta(minutes=59), 2)
    await place.sell(place.there, NOW - timedelta(minutes=1))
    await place.measuring.sweep()
    here, there = place.here.channel_id, place.there.channel_id
    assert await place.hours() == {
        (here, NOW - timedelta(hours=3)): (6, 2),
        (there, NOW - timedelta(hours=1)): (1, 1),
    }
    selling = await place.selling()
    assert selling.last_sold_at == NOW - timedelta(minutes=1)
    assert selling.mean_quantity == pytest.approx(7 / 3, rel=0.01)
    assert selling.per_second[here] > selling.per_second[there] > 0
    assert selling.peak_per_second[there] > 10 * selling.per_second[there]
    assert selling.measured_days == pytest.approx(60)


async def test_counting_again_changes_nothing(place: Place) -> None:
    await place.sell(place.here, NOW - timedelta(hours=5), 4)
    await place.measuring.sweep()
    before = await place.hours(), await place.sums()
    for _ in range(3):
        await place.measuring.sweep()
    assert (await place.hours(), await place.sums()) == before


async def test_a_sale_of_this_moment_waits_until_its_neighbours_are_committed(place: Place) -> None:
    await place.sell(place.here, NOW)
    await place.measuring.sweep()
    assert await place.hours() == {}
    place.clock.at = NOW + timedelta(minutes=1)
    await place.measuring.sweep()
    assert await place.hours() == {(place.here.channel_id, NOW): (1, 1)}


async def test_what_came_late_is_found_and_counts_as_old_as_it_is(place: Place) -> None:
    await place.sell(place.here, NOW - timedelta(minutes=5), 3)
    await place.measuring.sweep()
    await place.sell(place.here, NOW - timedelta(minutes=4), 2)
    await place.sell(place.there, NOW - timedelta(minutes=3), 1)
    await place.measuring.sweep()
    assert (await place.hours())[place.here.channel_id, NOW - timedelta(hours=1)] == (3, 1)
    place.clock.at = NOW + timedelta(hours=4)
    for _ in range(2):
        await place.measuring.sweep()
    assert await place.hours() == {
        (place.here.channel_id, NOW - timedelta(hours=1)): (5, 2),
        (place.there.channel_id, NOW - timedelta(hours=1)): (1, 1),
    }
    (quick, slow), _ = await place.sums()
    assert quick < 0.001
    assert slow == pytest.approx(5, rel=0.05)


async def test_refused_and_cancelled_orders_sell_nothing(place: Place) -> None:
    at = NOW - timedelta(hours=1)
    short = request(place.here, quantity=9_000, state=OrderState.RESERVED, short_state=OrderState.REFUSED)
    await Allocator(place.pool, lambda: at).reserve(short)
    await place.measuring.sweep()
    refused = await place.pool.fetchval("SELECT sum(refused_units) FROM sale_hour WHERE units = 0")
    assert refused == 9_000
    assert (await place.selling()).per_second == {}


async def test_daemons_that_sweep_together_count_each_sale_once(place: Place) -> None:
    order = random.Random(3)
    sold = 0
    for number in range(40):
        quantity = order.randint(1, 5)
        sold += quantity
        at = NOW - timedelta(minutes=order.randint(1, 900))
        await place.sell(order.choice([place.here, place.there]), at, quantity, f"order-{number}")
    daemons = [Measuring(place.pool, place.clock) for _ in range(4)]
    for _ in range(3):
        await asyncio.gather(*(daemon.sweep() for daemon in daemons))
    assert sum(units for units, _ in (await place.hours()).values()) == sold


async def test_a_sweep_that_is_cut_off_is_done_anew(place: Place) -> None:
    for minutes in range(0, 600, 10):
        await place.sell(place.here, NOW - timedelta(minutes=minutes + 1))
    for _ in range(6):
        sweep = asyncio.create_task(place.measuring.sweep())
        await asyncio.sleep(0.01)
        sweep.cancel()
        await asyncio.gather(sweep, return_exceptions=True)
    await place.measuring.sweep()
    assert sum(units for units, _ in (await place.hours()).values()) == 60


async def test_a_sum_that_rested_for_years_is_gone_and_not_an_error(place: Place) -> None:
    await place.sell(place.here, NOW - timedelta(hours=1), 5)
    await place.measuring.sweep()
    place.clock.at = NOW + timedelta(days=4000)
    await count_from(place.pool, place.clock.at - timedelta(days=1))
    assert (await place.selling()).total() < 1e-12
    await place.sell(place.here, place.clock.at - timedelta(hours=1), 2)
    await place.measuring.sweep()
    assert (await place.sums())[0][1] == pytest.approx(2, rel=0.05)


async def test_the_usual_stock_is_the_median_of_the_days(place: Place) -> None:
    for day, level in enumerate([500, 500, 300, 300, 300]):
        place.clock.at = NOW + timedelta(days=day)
        sold = await place.pool.fetchval("SELECT count(*) FROM allocation")
        if 500 - sold > level:
            await place.sell(place.here, place.clock.at, 500 - sold - level)
        for minutes in (0, 10, 61):
            place.clock.at = NOW + timedelta(days=day, minutes=minutes)
            await place.measuring.look_at_levels()
    assert (await place.selling()).usual_stock == 300
    assert await place.pool.fetchval("SELECT max(samples) FROM stock_day") == 2


async def test_an_empty_shelf_is_a_level_and_expired_codes_are_none(place: Place) -> None:
    await add_codes(place.pool, place.here.sku_id, 50, expires_at=NOW - timedelta(days=1))
    await place.sell(place.here, NOW - timedelta(hours=1), 500)
    assert await place.measuring.look_at_levels()
    assert (await place.selling()).usual_stock == 0


async def test_a_sku_of_which_nothing_is_known_sells_nothing(pool: Pool) -> None:
    async with pool.acquire() as conn:
        found = await read_selling(conn, [SkuId(77)], NOW)
        assert found == {SkuId(77): Selling({})}
        assert await read_lags(conn) == {}


async def test_lags_are_summed_up_with_the_last_day_before_those_before_it(place: Place) -> None:
    await place.pool.executemany(
        "INSERT INTO publish_lag VALUES ($1, $2, $3, $4, $5)",
        [
            (place.here.channel_id, NOW - timedelta(days=1), 40, 100, 1.02),
            (place.here.channel_id, NOW, 60, 100, 32.0),
        ],
    )
    await place.measuring.sum_up_lags()
    async with place.pool.acquire() as conn:
        lag = (await read_lags(conn))[place.here.channel_id]
        views = {view.channel: view for view in await channel_lags(conn, NOW + timedelta(minutes=30))}
    assert lag.seconds == pytest.approx((1.024, 32.768))
    assert lag.weights == pytest.approx((1 / 3, 2 / 3))
    view = views[place.here.channel]
    assert view.median_seconds == pytest.approx(1.024)
    assert (view.samples, view.longest_seconds) == (200, 32.0)
    assert view.p99_seconds == 32.0
    assert [bucket.samples for bucket in view.buckets] == [100, 100]
    assert {view.samples for name, view in views.items() if name != place.here.channel} == {0}


async def test_what_nobody_asks_for_any_more_is_forgotten(place: Place) -> None:
    await place.pool.execute(
        "INSERT INTO publish_lag VALUES ($1, $2, 1, 1, 1)", place.here.channel_id, NOW - timedelta(days=15)
    )
    await place.pool.execute(
        "INSERT INTO stock_day VALUES ($1, $2, 1, 1, 1, 1)", place.here.sku_id, NOW - timedelta(days=50)
    )
    assert await place.measuring.drop_old()
    assert await place.pool.fetchval("SELECT count(*) FROM publish_lag") == 0
    assert await place.pool.fetchval("SELECT count(*) FROM stock_day") == 0
    assert not await place.measuring.drop_old()
