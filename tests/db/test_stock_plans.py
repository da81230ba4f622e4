"""Whoever counts free codes looks them up, whatever the planner believes of the tables.

What is looked at is not a plan's text but what the server counted: scans of a whole table.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest

from core.alerts.readings.looking import View
from core.alerts.readings.taking import take_readings
from core.alerts.rules import Measure, Metric
from core.db.pool import Pool, open_pool
from core.db.queries import all_query_files
from core.offers.history.measuring import Measuring
from core.offers.sku_facts import read_stocks
from core.types import SkuId
from core.views.overview import stock_overview
from core.views.stock import sku_detail, sku_page
from tests.factories import NOW, add_codes, add_shop

SHELVES = 60
WITHDRAWN = 20_000
LARGE = ("code", "departure")
# Often enough for a statement to get the plan that is kept.
OFTEN = 7


@pytest.fixture
async def young(dsn: str) -> AsyncIterator[Pool]:
    """One connection to a house of many shelves, analysed before anything ever left one."""
    pool = await open_pool(dsn, min_size=1, max_size=1, application_name="test")
    try:
        shops = [await add_shop(pool, codes=3) for _ in range(SHELVES)]
        for _ in range(SHELVES):
            await add_codes(pool, shops[0].sku_id, 3)
        await pool.execute("ALTER TABLE departure SET (autovacuum_enabled = false)")
        await pool.execute("VACUUM ANALYZE")
        yield pool
    finally:
        pool.terminate()


async def _withdraw_many(pool: Pool) -> None:
    await pool.execute(
        "INSERT INTO departure SELECT 0, (SELECT min(shelf_id) FROM shelf), n, 'withdrawn', now(), 'test', ''"
        " FROM generate_series(1, $1::int) n",
        WITHDRAWN,
    )


async def _scans(pool: Pool) -> dict[str, int]:
    await pool.execute("SELECT pg_stat_force_next_flush()")
    rows = await pool.fetch(
        "SELECT relname, seq_scan FROM pg_stat_user_tables WHERE relname = ANY ($1::text[])", LARGE
    )
    return {row["relname"]: row["seq_scan"] for row in rows}


async def _claims(pool: Pool) -> None:
    rows = await pool.fetch("SELECT sku_id FROM sku")
    async with pool.acquire() as conn:
        await read_stocks(conn, [SkuId(row["sku_id"]) for row in rows], NOW)


async def _pages(pool: Pool) -> None:
    async with pool.acquire() as conn:
        page = await sku_page(conn, NOW)
        await sku_detail(conn, NOW, page.skus[0].sku_ref)
        await stock_overview(conn, NOW)


async def _levels(pool: Pool) -> None:
    moment = NOW
    measuring = Measuring(pool, lambda: moment)
    await measuring.look_at_levels()
    moment += timedelta(hours=2)
    await measuring.look_at_levels()


async def _alerts(pool: Pool) -> None:
    async with pool.acquire() as conn:
        for metric in (Metric.STOCK, Metric.EXPIRING):
            await take_readings(conn, Measure(metric), View(NOW))


@pytest.mark.parametrize("reader", [_claims, _pages, _levels, _alerts])
async def test_free_codes_are_looked_up_after_a_mass_withdrawal(
    young: Pool, reader: Callable[[Pool], Awaitable[None]]
) -> None:
    for _ in range(OFTEN):
        await reader(young)
    await _withdraw_many(young)
    before = await _scans(young)
    for _ in range(OFTEN):
        await reader(young)
    assert await _scans(young) == before


async def test_a_planner_that_is_not_held_reads_all_departures_for_every_shelf(young: Pool) -> None:
    counting = "SELECT sku_id, free FROM shelf_stock"
    await young.fetch(counting)
    await _withdraw_many(young)
    before = await _scans(young)
    await young.fetch(counting)
    assert (await _scans(young))["departure"] - before["departure"] >= SHELVES


def test_nobody_counts_free_codes_but_through_the_functions_that_hold_the_planner() -> None:
    files = (file for file in all_query_files() if file.package.split(".")[0] != "benchmarks")
    assert [file.file_name for file in files if any("shelf_stock" in sql for _, sql in file.items())] == []
