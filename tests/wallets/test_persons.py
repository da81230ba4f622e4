"""Names that are one person have one wallet: any of them spends all lots, and parting leaves it as it was."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from fractions import Fraction
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.buyers.people import join, part
from core.db.pool import Pool
from core.errors import ConsigndError, MoveRefused
from core.views.wallets import points_of, wallet_of
from core.wallets.programmes import Level, Programme, Task
from tests.wallets.purse import DAY, START, Purse, open_purse
from tests.wallets.test_histories import accounts

LEVELS = (Level("member", 0, Fraction(100)), Level("silver", 1000, Fraction(125)))
TASKS = {"review": Task("review", 20, 1)}
STARS = Programme("stars", "EUR", Fraction(1), Fraction(1), expires_after=9 * DAY, levels=LEVELS, tasks=TASKS)
_NAMES = count(1)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["credit", "earn", "spend", "redeem", "join", "part", "wait", "sweep"]),
        st.integers(0, 2),
        st.integers(1, 90),
    ),
    min_size=5,
    max_size=20,
)


async def joined(one: Purse, other: Purse) -> None:
    async with one.pool.acquire() as conn, conn.transaction():
        await join(conn, one.buyer, other.buyer, actor="test", reason="one mail address", now=START)


async def parted(purse: Purse) -> None:
    async with purse.pool.acquire() as conn, conn.transaction():
        await part(conn, purse.buyer, actor="test", reason="two after all", now=START)


async def two(pool: Pool) -> tuple[Purse, Purse]:
    """Two names, joined."""
    one, other = await open_purse(pool, "a", {"stars": STARS}), await open_purse(pool, "b", {"stars": STARS})
    await joined(one, other)
    return one, other


async def test_what_expires_soonest_is_spent_first_whose_name_ever_it_stands_under(pool: Pool) -> None:
    one, other = await two(pool)
    never = await one.credit(100)
    soon = await other.credit(100, expires=3 * DAY)
    twin = await one.credit(100, expires=3 * DAY)
    for purse in (one, other):
        assert await purse.standing() == (300, 0, 0)
    await other.spend(150, "order 1")
    rows = await pool.fetch("SELECT lot_id, amount_left_minor FROM wallet_open ORDER BY lot_id")
    assert {row["lot_id"]: row["amount_left_minor"] for row in rows} == {never: 100, twin: 50}
    # Each lot left the account of its own name.
    assert (await accounts(one), await accounts(other)) == ({"wallet": -150}, {})
    async with pool.acquire() as conn:
        view = await wallet_of(conn, other.buyer, closed=True)
    assert {lot.lot_id: lot.buyer for lot in view.lots} == {
        never: "shop/a",
        soon: "shop/b",
        twin: "shop/a",
    }
    assert (await one.balanced()).ok


async def test_parting_leaves_what_was_spent_as_it_was_and_each_with_his_own(pool: Pool) -> None:
    one, other = await two(pool)
    await one.credit(100, expires=5 * DAY)
    await other.credit(70)
    first = await other.spend(120, "order 1")
    await parted(other)
    assert (await one.standing(), await other.standing()) == ((0, 0, 0), (50, 0, 0))
    again = await other.spend(120, "order 1")
    assert (again.again, again.spend_id) == (True, first.spend_id)
    with pytest.raises(MoveRefused, match=r"shop/a can spend 0\.00 EUR"):
        await one.spend(1)
    # What is given back is his who spent it.
    await other.give_back("order 1", 120, "refund 1")
    assert (await one.standing(), await other.standing()) == ((0, 0, 0), (170, 0, 0))
    assert (await one.balanced()).ok


async def test_points_of_all_names_are_redeemed_together_and_count_for_one_level(pool: Pool) -> None:
    one, other = await two(pool)
    await one.earn(600)
    assert (await one.level(), await other.level()) == ("member", "member")
    await other.earn(500)
    assert (await one.level(), await other.level()) == ("silver", "silver")
    async with pool.acquire() as conn:
        [standing] = (await points_of(conn, one.buyer)).standings
    assert standing.usable == 1100
    redeemed = await one.redeem(1000, "r-1")
    assert redeemed.amount.amount_minor == 1000
    assert (await accounts(one), await accounts(other)) == ({"wallet": -1000}, {"points": -100})
    assert (await one.redeem(1000, "r-1")).again
    await parted(other)
    assert (await one.level(), await other.level()) == ("member", "member")
    assert (await one.points_left(), await other.points_left()) == (0, 100)
    assert (await one.balanced()).ok


async def test_a_task_counts_once_a_day_for_a_person(pool: Pool) -> None:
    one, other = await two(pool)
    await one.task("review", "product 1")
    with pytest.raises(MoveRefused, match="counts again tomorrow"):
        await other.task("review", "product 2")
    await parted(other)
    await other.task("review", "product 2")


async def test_names_that_spend_at_once_spend_what_there_is_once(pool: Pool) -> None:
    one, other = await two(pool)
    await one.credit(200)
    await other.credit(100)
    tries = await asyncio.gather(*((one, other)[n % 2].spend(50) for n in range(10)), return_exceptions=True)
    assert sum(not isinstance(each, BaseException) for each in tries) == 6
    assert all(isinstance(each, MoveRefused) for each in tries if isinstance(each, BaseException))
    assert await one.standing() == (0, 0, 0)
    assert (await one.balanced()).ok


async def test_joining_and_parting_while_all_spend_neither_locks_up_nor_loses_a_cent(pool: Pool) -> None:
    purses = [await open_purse(pool, f"n-{number}") for number in range(4)]
    for purse in purses:
        await purse.credit(300)

    async def shuffle(number: int) -> None:
        for _ in range(6):
            try:
                await joined(purses[number % 4], purses[(number + 1) % 4])
                await parted(purses[(number + 1) % 4])
            except ConsigndError:
                continue

    async def buy(purse: Purse) -> int:
        spent = 0
        for _ in range(12):
            try:
                spent += (await purse.spend(40)).amount.amount_minor
            except MoveRefused:
                continue
        return spent

    told = await asyncio.gather(*(buy(purse) for purse in purses), *(shuffle(n) for n in range(3)))
    left: int = await pool.fetchval("SELECT coalesce(sum(amount_left_minor), 0)::bigint FROM wallet_open")
    assert left + sum(spent for spent in told if spent is not None) == 1200
    assert (await purses[0].balanced()).ok


async def play(purses: Sequence[Purse], number: int, kind: str, who: int, size: int) -> None:
    """One step of a random history; what is refused is none."""
    purse, ref = purses[who], f"{purses[0].buyer.name}#{number}"
    match kind:
        case "credit":
            await purse.credit(size, ref=ref, expires=None if size % 3 == 0 else (size % 5 + 1) * DAY)
        case "earn":
            await purse.earn(size, ref=ref)
        case "spend":
            await purse.spend(size, ref)
        case "redeem":
            await purse.redeem(size, ref)
        case "join":
            await joined(purse, purses[(who + 1) % 3])
        case "part":
            await parted(purse)
        case "wait":
            for each in purses:
                each.now += DAY
        case _:
            await purse.sweep()


@given(steps=STEPS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whoever_is_joined_and_parted_the_books_tie_and_a_person_has_what_his_names_have(
    pool: Pool, steps: list[tuple[str, int, int]]
) -> None:
    run = next(_NAMES)
    purses = [await open_purse(pool, f"h{run}-{n}", {"stars": STARS}) for n in range(3)]
    for number, step in enumerate(steps):
        try:
            await play(purses, number, *step)
        except ConsigndError:
            continue
    rows = await pool.fetch(
        "SELECT person_of(buyer_id) AS person, sum(amount_left_minor)::bigint AS minor"
        " FROM wallet_open WHERE programme = '' GROUP BY 1"
    )
    has = {row["person"]: row["minor"] for row in rows}
    for purse in purses:
        person = await pool.fetchval("SELECT person_of($1)", purse.buyer.buyer_id)
        usable, pending, _ = await purse.standing()
        assert usable + pending == has.get(person, 0)
    checked = await purses[0].balanced()
    assert checked.ok, checked.detail
