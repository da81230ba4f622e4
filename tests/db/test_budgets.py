"""Money that sales set aside is spent once for each reference, covered as far as it goes, and given back."""

from __future__ import annotations

import asyncio

import pytest

from core.db.pool import Pool
from core.errors import Conflict, InvalidInput, ReferenceReused, UnknownChannel
from core.money.budgets import Budgets, BudgetView, Use, Why, list_budgets, list_uses
from core.money.ledger import Ledger, publish_plan
from core.money.money import Money
from core.money.plans.rules import CONSIGNOR, Party, Plan, Rule
from core.orders.closing import Closing
from tests.db.test_closing import balance_by_account, closer_of, sold
from tests.factories import NOW, Shop, add_shop, terms_of

# 5 % of 20.00 for traffic.
RULES = (
    Rule("traffic", Party.parse("budget:traffic"), rate_ppm=50_000),
    Rule("rest", CONSIGNOR, rest=True),
)


@pytest.fixture
async def shop(pool: Pool) -> Shop:
    """A shop whose three sales have set 3.00 EUR aside."""
    shop = await add_shop(pool, codes=3)
    async with pool.acquire() as conn:
        plan_id, plan = await publish_plan(conn, Plan("special", RULES, currency="EUR"))
    terms = terms_of(shop.channel_id, shop.channel, plan_id, plan)
    for order in await sold(pool, shop, count=3):
        await closer_of(pool).close(Closing(order, terms, "test", ""))
    return shop


def euros(amount: str) -> Money:
    return Money.parse(amount, "EUR")


async def spend(
    pool: Pool, amount: str, ref: str, channel: str | None = None, budget: str = "traffic"
) -> Use:
    async with pool.acquire() as conn, conn.transaction():
        return await Budgets(pool).spend(
            conn, budget, euros(amount), channel, Why(ref, "Ada", "ads in May"), NOW
        )


async def release(pool: Pool, amount: str, ref: str) -> Use:
    async with pool.acquire() as conn, conn.transaction():
        return await Budgets(pool).release(
            conn, "traffic", euros(amount), Why(ref, "Ada", "May is over"), NOW
        )


async def test_what_is_set_aside_pays_first_and_the_rest_is_our_cost(pool: Pool, shop: Shop) -> None:
    first = await spend(pool, "2.00", "invoice-1", shop.channel)
    assert first.covered == euros("2.00")
    second = await spend(pool, "1.50", "invoice-2")
    assert second.covered == euros("1.00")
    balances = await balance_by_account(pool)
    assert balances["budget", "set_aside"] == 0
    assert balances["operator", "promotion"] == 50
    assert balances["operator", "bank"] == -150
    assert balances["channel", "receivable"] == 6000 - 200
    async with pool.acquire() as conn:
        assert await list_budgets(conn) == (BudgetView("traffic", "EUR", 300, 300, 0, 0, 50),)
        told = [(use.ref, use.channel, use.covered_minor) for use in await list_uses(conn, "traffic")]
    assert told == [("invoice-2", None, 100), ("invoice-1", shop.channel, 200)]


async def test_what_is_not_needed_is_the_operators_and_more_than_there_is_stays(
    pool: Pool, shop: Shop
) -> None:
    with pytest.raises(Conflict, match=r"holds 3\.00 EUR"):
        await release(pool, "3.01", "may")
    await release(pool, "3.00", "may")
    assert (await balance_by_account(pool))["operator", "released"] == -300
    async with pool.acquire() as conn:
        assert await list_budgets(conn) == (BudgetView("traffic", "EUR", 300, 0, 300, 0, 0),)


async def test_a_reference_is_booked_once_and_for_one_thing(pool: Pool, shop: Shop) -> None:
    first = await spend(pool, "2.00", "invoice-1")
    assert await spend(pool, "2.00", "invoice-1") == first
    for other in (("2.01", "invoice-1", None), ("2.00", "invoice-1", shop.channel)):
        with pytest.raises(ReferenceReused, match=r"2\.00 EUR"):
            await spend(pool, *other)
    with pytest.raises(ReferenceReused):
        await release(pool, "2.00", "invoice-1")
    assert (await balance_by_account(pool))["operator", "bank"] == -200


async def test_many_at_once_are_covered_by_no_more_than_there_is(pool: Pool, shop: Shop) -> None:
    uses = await asyncio.gather(*(spend(pool, "0.70", f"invoice-{n}") for n in range(8)))
    assert sum(use.covered.amount_minor for use in uses) == 300
    assert (await balance_by_account(pool))["budget", "set_aside"] == 0
    assert (await balance_by_account(pool))["operator", "promotion"] == 8 * 70 - 300


async def test_what_refunds_took_back_was_not_there_to_be_spent(pool: Pool, shop: Shop) -> None:
    await spend(pool, "2.50", "invoice-1")
    async with pool.acquire() as conn, conn.transaction():
        order_id = await conn.fetchval("SELECT min(order_id) FROM channel_order")
        await Ledger(pool).reverse_order(conn, order_id, NOW)
    # 3.00 less 1.00 taken back less 2.50: half a euro too much was spent; nothing is left.
    assert (await spend(pool, "1.00", "invoice-2")).covered == euros("0")
    assert (await balance_by_account(pool))["budget", "set_aside"] == 50


async def test_senseless_uses_are_refused_by_name(pool: Pool, shop: Shop) -> None:
    with pytest.raises(InvalidInput, match="no sale has set anything aside for 'ads'"):
        await spend(pool, "1.00", "x", budget="ads")
    with pytest.raises(InvalidInput, match="above zero"):
        await spend(pool, "0", "x")
    with pytest.raises(InvalidInput, match="reference of 1 to 200 signs"):
        await spend(pool, "1.00", " ")
    with pytest.raises(UnknownChannel):
        await spend(pool, "1.00", "x", "elsewhere")
    assert await pool.fetchval("SELECT count(*) FROM budget_use") == 0
