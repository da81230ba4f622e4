"""Every daemon vests and expires what is due, batch by batch, and goes on after the database was away."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
from structlog.testing import capture_logs

from core.db.pool import Pool, open_pool
from core.money.journal.periods import Period, close_period
from core.wallets import wallets
from scheduler.composition import utc_now
from scheduler.loops.wallets import WalletSweep
from tests.wallets.purse import DAY, open_purse


async def test_a_round_moves_all_that_is_due_in_batches(pool: Pool) -> None:
    buyers = wallets.SWEEP_LOTS + 20
    purses = [await open_purse(pool, f"u-{number}") for number in range(buyers)]
    for purse in purses:
        purse.now = utc_now() - 5 * DAY
        await purse.credit(100, vests=DAY)
    await purses[0].credit(50, expires=2 * DAY)
    with capture_logs() as logs:
        await asyncio.gather(*(WalletSweep(pool).tick() for _ in range(3)))
        await WalletSweep(pool).tick()
    swept = [log for log in logs if log["event"] == "wallets.swept"]
    assert sum(log["vested"] for log in swept) == buyers
    assert sum(log["expired"] for log in swept) == 1
    assert len(swept) > 1
    assert await purses[0].standing() == (100, 0, 0)
    assert (await purses[0].balanced()).ok


async def test_a_database_that_is_away_is_told_of_once(dsn: str) -> None:
    away = await open_pool(dsn, min_size=1, max_size=1, application_name="test")
    sweep = WalletSweep(away)
    await sweep.tick()
    away.terminate()
    with capture_logs() as logs:
        for _ in range(3):
            await sweep.tick()
    assert [log["event"] for log in logs] == ["sweep.failing"]
    assert logs[0]["subject"] == "wallets"


async def test_a_closed_month_keeps_what_is_due_until_it_is_open(pool: Pool) -> None:
    purse = await open_purse(pool)
    await purse.credit(100, vests=DAY)
    purse.now += DAY
    async with pool.acquire() as conn, conn.transaction():
        month = Period.of(purse.now)
        await close_period(conn, month, actor="test", reason="done", now=purse.now + 40 * DAY)
    with pytest.raises(asyncpg.PostgresError, match="closed"):
        await purse.sweep()
    assert await purse.standing() == (0, 100, 0)
    assert await purse.sweep(30 * DAY)
    assert await purse.standing() == (100, 0, 0)
