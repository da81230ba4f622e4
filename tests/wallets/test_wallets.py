"""Tests that buyers' money is credited once, spent once, vests, expires, and is explained lot by lot."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from core.db.pool import Pool
from core.errors import InvalidInput, MoveRefused, ReferenceReused
from core.money.money import Money
from core.views.wallets import wallet_of
from core.wallets.wallets import LotId, Source
from tests.wallets.purse import COST, DAY, Purse, open_purse


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
    assert (await purse.balanced()).ok


async def test_what_expires_soonest_is_spent_first_and_of_equals_the_older_lot(pool: Pool) -> None:
    purse = await open_purse(pool)
    never = await purse.credit(100)
    late = await purse.credit(100, expires=9 * DAY)
    soon = await purse.credit(100, expires=3 * DAY)
    twin = await purse.credit(100, expires=3 * DAY)
    await purse.spend(250)
    rows = await pool.fetch("SELECT lot_id, amount_left_minor FROM wallet_open ORDER BY lot_id")
    assert {row["lot_id"]: row["amount_left_minor"] for row in rows} == {never: 100, late: 50}
    async with pool.acquire() as conn:
        view = await wallet_of(conn, purse.buyer, closed=True)
    spent = {lot.lot_id: [use.amount_minor for use in lot.uses] for lot in view.lots}
    assert spent == {never: [], late: [50], soon: [100], twin: [100]}
    assert {lot.lot_id: lot.state for lot in view.lots}[soon] == "closed"


async def test_money_cannot_be_spent_before_it_vests_nor_after_it_expires_though_no_sweep_came(
    pool: Pool,
) -> None:
    purse = await open_purse(pool)
    await purse.credit(100, vests=DAY, expires=3 * DAY)
    with pytest.raises(MoveRefused, match=r"can spend 0\.00 EUR, not 0\.01 EUR: nothing was spent"):
        await purse.spend(1)
    purse.now += DAY
    await purse.spend(40)
    purse.now += 2 * DAY
    with pytest.raises(MoveRefused, match="can spend"):
        await purse.spend(1)
    # A refused spending writes nothing at all, not even what time has done.
    assert await purse.standing() == (60, 0, 0)
    await purse.sweep()
    assert await purse.standing() == (0, 0, 0)
    assert (await purse.ledger())["operator", "breakage"] == -60


async def test_the_same_source_is_the_same_lot_and_no_other_money(pool: Pool) -> None:
    purse, other = await open_purse(pool), await open_purse(pool, "u-2")
    first = await purse.credit(100, ref="spring#1")
    assert await purse.credit(100, ref="spring#1", expires=DAY) == first
    assert await purse.standing() == (100, 0, 0)
    with pytest.raises(ReferenceReused, match="campaign spring#1 has credited something else"):
        await purse.credit(101, ref="spring#1")
    with pytest.raises(ReferenceReused, match="its own source"):
        await other.credit(100, ref="spring#1")
    assert await other.standing() == (0, 0, 0)


async def test_the_same_reference_spends_once_and_nothing_else(pool: Pool) -> None:
    purse, other = await open_purse(pool), await open_purse(pool, "u-2")
    await purse.credit(100)
    await other.credit(100)
    first = await purse.spend(60, "order 1")
    again = await purse.spend(60, "order 1")
    assert (again.spend_id, again.amount, again.again) == (first.spend_id, first.amount, True)
    assert await purse.standing() == (40, 0, 0)
    for who, amount_minor in ((purse, 61), (other, 60)):
        with pytest.raises(ReferenceReused, match="reference 'order 1' has spent something else"):
            await who.spend(amount_minor, "order 1")
    assert await other.standing() == (100, 0, 0)


async def test_a_reference_that_was_refused_may_come_again_when_there_is_enough(pool: Pool) -> None:
    purse = await open_purse(pool)
    await purse.credit(50)
    with pytest.raises(MoveRefused):
        await purse.spend(60, "order 1")
    await purse.credit(10)
    assert not (await purse.spend(60, "order 1")).again


async def test_money_taken_back_before_it_vests_leaves_what_is_pending(pool: Pool) -> None:
    purse = await open_purse(pool)
    lot = await purse.credit(100, vests=DAY)
    told = await purse.take_back(lot, 30)
    assert (told.left, told.claimed) == (purse.money(30), purse.money(0))
    assert await purse.standing() == (0, 70, 0)
    await purse.take_back(lot, 70)
    assert await purse.standing() == (0, 0, 0)
    await purse.sweep(DAY)
    assert await purse.ledger() == {}


async def test_what_the_buyer_owes_is_set_off_against_what_comes_next_and_nothing_before(pool: Pool) -> None:
    purse = await open_purse(pool)
    spent, kept = await purse.credit(100, expires=DAY), await purse.credit(50)
    await purse.spend(100)
    await purse.take_back(spent, 100)
    assert await purse.standing() == (50, 0, 100)  # what he had before stays his
    await purse.credit(70)
    assert await purse.standing() == (50, 0, 30)
    await purse.credit(70)
    assert await purse.standing() == (90, 0, 0)
    # What was set off is gone: taken back, it is owed again.
    await purse.take_back(kept, 50)
    assert (await purse.ledger())["operator", "rebate"] == 140
    assert (await purse.balanced()).ok


async def test_pending_money_is_set_off_as_it_vests_though_the_same_sweep_lets_it_expire(
    pool: Pool,
) -> None:
    purse = await open_purse(pool)
    spent = await purse.credit(100)
    await purse.spend(100)
    await purse.credit(60, vests=DAY, expires=2 * DAY)
    await purse.take_back(spent, 40)
    assert await purse.standing() == (0, 60, 40)
    await purse.sweep(5 * DAY)
    assert await purse.standing() == (0, 0, 0)
    assert (await purse.ledger())["operator", "breakage"] == -20


async def test_what_has_expired_cannot_be_taken_back_and_costs_the_buyer_nothing(pool: Pool) -> None:
    purse = await open_purse(pool)
    lot = await purse.credit(100, expires=DAY)
    await purse.spend(30)
    purse.now += DAY
    told = await purse.take_back(lot, 100)
    assert (told.left.amount_minor, told.claimed.amount_minor, told.expired.amount_minor) == (0, 30, 70)
    assert await purse.standing() == (0, 0, 30)
    assert (await purse.balanced()).ok


async def test_no_more_is_taken_back_than_was_credited(pool: Pool) -> None:
    purse = await open_purse(pool)
    lot = await purse.credit(100)
    await purse.take_back(lot, 60)
    with pytest.raises(MoveRefused, match="40 of 100 units can be taken back, not 41"):
        await purse.take_back(lot, 41)
    await purse.take_back(lot, 40)
    assert await purse.ledger() == {}


REFUSED: dict[str, tuple[Callable[[Purse], Awaitable[object]], str]] = {
    "nothing credited": (lambda purse: purse.credit(0), "more than nothing"),
    "less than nothing credited": (lambda purse: purse.credit(-5), "more than nothing"),
    "expires before it vests": (lambda purse: purse.credit(5, vests=2 * DAY, expires=DAY), "expire later"),
    "expired already": (lambda purse: purse.credit(5, expires=timedelta(0)), "expire later"),
    "nothing spent": (lambda purse: purse.spend(0), "more than nothing"),
    "no reference": (lambda purse: purse.spend(1, " "), "needs a reference"),
    "no such lot": (lambda purse: purse.take_back(LotId(99), 1), "there is no lot 99"),
    "nothing taken back": (lambda purse: purse.take_back(LotId(99), 0), "more than nothing"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_makes_no_sense_is_refused_and_moves_nothing(pool: Pool, case: str) -> None:
    purse = await open_purse(pool)
    step, said = REFUSED[case]
    with pytest.raises(InvalidInput, match=said):
        await step(purse)
    assert await purse.ledger() == {}
    assert await pool.fetchval("SELECT count(*) FROM wallet_lot") == 0


async def test_money_needs_a_source_and_is_taken_back_in_its_own_currency(pool: Pool) -> None:
    purse = await open_purse(pool)
    with pytest.raises(InvalidInput, match="needs a source"):
        await purse.do(
            lambda conn: purse.wallets.credit(
                conn, purse.buyer, Money(5, "EUR"), purse.now, source=Source("campaign", ""), cost=COST
            )
        )
    lot = await purse.credit(100)
    purse.currency = "USD"
    with pytest.raises(InvalidInput, match="take back EUR"):
        await purse.take_back(lot, 5)
    with pytest.raises(MoveRefused, match=r"can spend 0\.00 USD"):
        await purse.spend(5)


async def test_the_last_money_is_spent_once_however_many_want_it(pool: Pool) -> None:
    purse = await open_purse(pool)
    await purse.credit(60)
    await purse.credit(40, expires=DAY)
    tries = await asyncio.gather(*(purse.spend(100) for _ in range(8)), return_exceptions=True)
    assert sorted(type(each).__name__ for each in tries) == ["MoveRefused"] * 7 + ["Spent"]
    assert await purse.standing() == (0, 0, 0)
    assert (await purse.ledger())["channel", "receivable"] == -100


async def test_the_same_reference_told_by_many_at_once_spends_once(pool: Pool) -> None:
    purse = await open_purse(pool)
    await purse.credit(100)
    tries = await asyncio.gather(*(purse.spend(30, "order 1") for _ in range(8)))
    assert len({each.spend_id for each in tries}) == 1
    assert sum(not each.again for each in tries) == 1
    assert await purse.standing() == (70, 0, 0)


async def test_one_reference_of_two_buyers_at_once_is_spent_by_one(pool: Pool) -> None:
    purses = [await open_purse(pool, f"u-{number}") for number in range(4)]
    for purse in purses:
        await purse.credit(100)
    tries = await asyncio.gather(*(purse.spend(30, "order 1") for purse in purses), return_exceptions=True)
    assert sorted(type(each).__name__ for each in tries) == ["ReferenceReused"] * 3 + ["Spent"]
    assert sum([(await purse.standing())[0] for purse in purses]) == 370


async def test_one_source_credited_by_many_at_once_is_one_lot(pool: Pool) -> None:
    purse = await open_purse(pool)
    lots = await asyncio.gather(*(purse.credit(100, ref="spring#1") for _ in range(6)))
    assert len(set(lots)) == 1
    purses = [await open_purse(pool, f"u-{number}") for number in range(2, 5)]
    tries = await asyncio.gather(*(each.credit(7, ref="spring#2") for each in purses), return_exceptions=True)
    assert sorted(type(each).__name__ for each in tries) == ["ReferenceReused", "ReferenceReused", "int"]
    assert (await purse.ledger())["operator", "rebate"] == 107


async def test_sweeps_spendings_and_credits_of_the_same_buyers_do_not_lock_each_other_up(pool: Pool) -> None:
    purses = [await open_purse(pool, f"u-{number}") for number in range(5)]
    for purse in purses:
        for number in range(4):
            await purse.credit(100, vests=DAY, expires=(2 + number) * DAY)
        purse.now += 3 * DAY
    sweeps = [purses[0].wallets.sweep(purses[0].now) for _ in range(4)]
    moves = [move for purse in purses for move in (purse.spend(120), purse.credit(10))]
    await asyncio.gather(*sweeps, *moves)
    await purses[0].sweep()
    for purse in purses:
        # Of 400 a lot expired on the second day and one on the third; less 120, and 10 more.
        assert await purse.standing() == (90, 0, 0)
    assert (await purses[0].balanced()).ok


async def test_a_sweep_takes_batches_and_one_that_is_cut_off_leaves_all_as_it_was(pool: Pool) -> None:
    purse, other = await open_purse(pool), await open_purse(pool, "u-2")
    for who in (purse, other):
        await who.credit(100, vests=DAY)
        await who.credit(100, vests=DAY + timedelta(hours=1))
    now = purse.now + 2 * DAY
    first = await purse.wallets.sweep(now, most_lots=1)
    assert first is not None
    assert (first.vested, first.expired) == (2, 0)
    async with pool.acquire() as conn:
        async with conn.transaction():
            # Whoever is at it keeps the turn until its transaction ends.
            await conn.execute("SELECT pg_advisory_xact_lock(7706, 0)")
            assert await purse.wallets.sweep(now) is None
        second = await purse.wallets.sweep(now)
    assert second is not None
    assert second.vested == 2
    third = await purse.wallets.sweep(now)
    assert third is not None
    assert third.vested == 0


async def test_the_check_finds_what_does_not_belong(pool: Pool) -> None:
    purse = await open_purse(pool)
    lot = await purse.credit(100)
    await purse.spend(30)
    assert (await purse.balanced()).ok
    await pool.execute("UPDATE wallet_open SET units_left = 71, amount_left_minor = 71")
    found = await purse.balanced()
    assert any(f"lot {lot} has 70 left" in what for what in found.detail)
    assert any("wallet of shop/u-1: its lots come to -71 EUR" in what for what in found.detail)
    await pool.execute("DELETE FROM wallet_open")
    assert "is kept as 0" in " ".join((await purse.balanced()).detail)


async def test_money_of_three_currencies_stands_apart(pool: Pool) -> None:
    purse = await open_purse(pool)
    for currency in ("EUR", "JPY", "KWD"):
        purse.currency = currency
        await purse.credit(1000)
    purse.currency = "JPY"
    await purse.spend(1000)
    told = await purse.do(lambda conn: purse.wallets.balance(conn, purse.buyer))
    assert [str(each.usable) for each in told] == ["10.00 EUR", "1.000 KWD"]
