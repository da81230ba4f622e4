"""Figures of channels are worked out from the journal, and alerts ring where they pass their lines."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.alerts.readings.looking import View
from core.alerts.readings.taking import take_readings
from core.alerts.rules import Measure, Metric
from core.db.pool import Pool
from core.views.channel_figures import ChannelFigures, channel_figures
from tests.factories import NOW, add_channel
from tests.statements.bench import Desk

MONTH = timedelta(days=30)


async def figures_of(desk: Desk, days: int = 30) -> ChannelFigures:
    async with desk.pool.acquire() as conn:
        found = await channel_figures(conn, desk.now, days)
    return next(figures for figures in found if figures.channel == desk.shop.channel)


async def reading(desk: Desk, metric: Metric, at_least: int = 1) -> float | None:
    async with desk.pool.acquire() as conn:
        taken = await take_readings(conn, Measure(metric, window=MONTH, at_least=at_least), View(desk.now))
    return {reading.subject.name: reading.value for reading in taken}.get(desk.shop.channel)


async def test_fees_of_all_kinds_count_against_what_was_sold_and_kept(pool: Pool) -> None:
    desk = await Desk.open(pool)
    for number in range(4):
        await desk.sell(f"o-{number}", 10_000, 1_000, days_ago=5)
    gone = await desk.sell("gone", 10_000, 1_000, days_ago=5)
    await desk.take_back(gone, 10_000, 1_000, days_ago=4)
    await desk.sell("long ago", 10_000, 5_000, days_ago=31)
    await desk.tell("t-1", "edit_fee", -300)
    await desk.tell("t-2", "release_fee", -100)
    await desk.match()
    found = await figures_of(desk)
    assert (found.turnover_minor, found.fees_minor, found.proceeds_minor) == (40_000, 4_400, 35_600)
    assert found.cost_percent == pytest.approx(11.0)
    assert (found.deliveries, found.refunds) == (5, 1)
    assert found.complaint_percent == pytest.approx(20.0)
    assert await reading(desk, Metric.COST_PERCENT) == pytest.approx(11.0)
    assert await reading(desk, Metric.COMPLAINT_PERCENT) == pytest.approx(20.0)
    assert await reading(desk, Metric.COMPLAINT_PERCENT, at_least=6) == 0, "five deliveries say little"


async def test_an_accepted_difference_of_the_fee_is_a_cost_and_an_open_one_is_not_yet(pool: Pool) -> None:
    desk = await Desk.open(pool)
    await desk.sell("o-1", 10_000, 1_000, days_ago=1)
    await desk.tell("t-1", "fee", -1_500, "o-1")
    await desk.match()
    assert (await figures_of(desk)).fees_minor == 1_000


async def test_how_often_stock_is_sold_a_year_wants_a_week_of_looks(pool: Pool) -> None:
    desk = await Desk.open(pool)
    assert (await figures_of(desk)).turnover_per_year is None
    for day in range(10):
        await pool.execute(
            "INSERT INTO stock_day (sku_id, day, samples, units_sum, lowest, highest)"
            " VALUES ($1, $2, 24, 24 * 100, 100, 100)",
            desk.shop.sku_id,
            (NOW - timedelta(days=day)).date(),
        )
    await pool.execute(
        "INSERT INTO sale_hour VALUES ($1, $2, $3, 10, 10, 0)",
        desk.shop.sku_id,
        desk.shop.channel_id,
        NOW - timedelta(days=2),
    )
    found = await figures_of(desk)
    # Ten in ten days of a stock of a hundred: 365 a year, 3.65 times.
    assert found.turnover_per_year == pytest.approx(3.65)
    assert await reading(desk, Metric.STOCK_TURNOVER) == pytest.approx(3.65)
    assert await reading(desk, Metric.STOCK_TURNOVER, at_least=101) is None


async def test_differences_ring_when_nobody_settled_them_for_a_while(pool: Pool) -> None:
    desk = await Desk.open(pool)
    await desk.tell("t-1", "other", 77)
    await desk.match()
    measure = Measure(Metric.DISCREPANCIES, after=timedelta(hours=1))
    for hours, expected in ((0.5, 0), (2, 1)):
        async with pool.acquire() as conn:
            [found] = await take_readings(conn, measure, View(NOW + timedelta(hours=hours)))
        assert found.value == expected


async def test_a_payout_of_a_little_does_not_settle_what_is_left(pool: Pool) -> None:
    desk = await Desk.open(pool)
    await add_channel(pool)
    for ref, kind, amount, days in (
        ("1", "sale", 10_000, 50),
        ("2", "fee", -1_000, 50),
        ("3", "sale", 10_000, 40),
        ("4", "withdrawal", -9_000, 39),
        ("5", "withdrawal", -500, 1),
    ):
        await desk.tell(ref, kind, amount, days_ago=days)
    async with pool.acquire() as conn:
        taken = await take_readings(conn, Measure(Metric.PAYOUT_LATE_DAYS), View(NOW))
    [late] = taken
    assert late.subject.name == desk.shop.channel
    assert late.value == pytest.approx(40)
    await desk.tell("6", "withdrawal", -9_500)
    assert await reading(desk, Metric.PAYOUT_LATE_DAYS) == 0
