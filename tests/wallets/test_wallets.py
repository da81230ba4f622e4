"""Tests that buyers' money is credited once, spent once, vests, expires, and is explained lot by lot."""

from __future__ import annotations

from core.db.pool import Pool
from tests.wallets.purse import DAY, open_purse


async def test_money_is_credited_spent_taken_back_and_expires(pool: Pool) -> None:
    purse = await open_purse(pool)
    first = await purse.credit(1000, expires=30 * DAY)
    await purse.credit(500, vests=2 * DAY, expires=20 * DAY)
    assert await purse.standing() == (1000, 500, 0)
    await purse.spend(400)
    told = await purse.take_back(first, 800)
    assert (told.left.amount_minor, told.claimed.amount_minor, told.expired.amount_minor) == (600, 200, 0)
    assert await purse.standing() == (0, 500, 200)
    await purse.sweep(2 * DAY)
    assert await purse.standing() == (300, 0, 0)
    await purse.sweep(18 * DAY)
    assert await purse.standing() == (0, 0, 0)
    assert await purse.ledger() == {
        ("operator", "rebate"): 700,
        ("operator", "breakage"): -300,
        ("channel", "receivable"): -400,
    }
