"""Tests that money comes back into the wallet when what it was spent on falls through, and no more of it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from core.db.pool import Pool
from core.errors import InvalidInput, MoveRefused, ReferenceReused
from tests.wallets.purse import DAY, open_purse


async def test_what_was_spent_comes_back_in_parts_and_once_for_each_refund(pool: Pool) -> None:
    purse = await open_purse(pool)
    await purse.credit(100)
    await purse.spend(80, "order 1")
    first = await purse.give_back("order 1", 30, "refund 1")
    assert await purse.give_back("order 1", 30, "refund 1") == first
    assert await purse.standing() == (50, 0, 0)
    with pytest.raises(ReferenceReused):
        await purse.give_back("order 1", 31, "refund 1")
    with pytest.raises(MoveRefused, match=r"'order 1' spent 0\.50 EUR can be given back, not 0\.51 EUR"):
        await purse.give_back("order 1", 51, "refund 2")
    await purse.give_back("order 1", 50, "refund 2")
    assert await purse.give_back("order 1", 50, "refund 2") != first
    assert await purse.ledger() == {("operator", "rebate"): 100, ("buyer", "wallet"): -100}
    kinds = await pool.fetch("SELECT kind, count(*) FROM journal_transaction GROUP BY kind ORDER BY kind")
    assert [tuple(row) for row in kinds] == [("rebate", 1), ("wallet", 3)]
    assert (await purse.balanced()).ok


async def test_money_that_comes_back_late_can_be_used_again_for_a_while(pool: Pool) -> None:
    purse = await open_purse(pool)
    await purse.credit(10, expires=100 * DAY)
    await purse.credit(10, expires=5 * DAY)
    await purse.spend(20, "order 1")
    purse.now += 10 * DAY
    await purse.give_back("order 1", 5, "as long as the last of its lots")
    purse.now += 80 * DAY
    await purse.give_back("order 1", 5, "a month more")
    await purse.sweep(10 * DAY)
    assert await purse.standing() == (5, 0, 0)
    await purse.sweep(20 * DAY)
    assert await purse.standing() == (0, 0, 0)
    await purse.credit(7)
    await purse.spend(7, "order 2")
    await purse.give_back("order 2", 7, "never expired")
    await purse.sweep(timedelta(days=1000))
    assert await purse.standing() == (7, 0, 0)


async def test_many_who_give_the_same_back_at_once_give_it_once(pool: Pool) -> None:
    purse = await open_purse(pool)
    await purse.credit(100)
    await purse.spend(100, "order 1")
    same = await asyncio.gather(*(purse.give_back("order 1", 40, "refund 1") for _ in range(5)))
    assert len(set(same)) == 1
    tries = await asyncio.gather(
        *(purse.give_back("order 1", 40, f"refund {n}") for n in range(2, 6)), return_exceptions=True
    )
    assert sorted(type(each).__name__ for each in tries) == ["MoveRefused"] * 3 + ["int"]
    assert await purse.standing() == (80, 0, 0)


async def test_what_makes_no_sense_is_refused(pool: Pool) -> None:
    purse = await open_purse(pool)
    await purse.credit(100)
    await purse.spend(40, "order 1")
    with pytest.raises(InvalidInput, match="nothing was spent by 'order 2'"):
        await purse.give_back("order 2", 1, "r")
    with pytest.raises(InvalidInput, match="needs a reference"):
        await purse.give_back("order 1", 1, " ")
    with pytest.raises(InvalidInput, match="more than nothing"):
        await purse.give_back("order 1", 0, "r")
    purse.currency = "USD"
    with pytest.raises(InvalidInput, match="give back EUR"):
        await purse.give_back("order 1", 1, "r")


async def test_what_came_back_pays_what_the_buyer_owes(pool: Pool) -> None:
    purse = await open_purse(pool)
    lot = await purse.credit(100)
    await purse.spend(100, "order 1")
    await purse.take_back(lot, 100)
    assert await purse.standing() == (0, 0, 100)
    await purse.give_back("order 1", 100, "refund 1")
    assert await purse.standing() == (0, 0, 0)
    assert await purse.ledger() == {}
