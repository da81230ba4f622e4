"""Whatever happens in whatever order, each payable entry is in one settlement or open, and all sums tie."""

from __future__ import annotations

import asyncio
import random

import pytest

from core.codes.allocator import Allocator
from core.db.pool import Pool
from core.errors import ConsigndError
from core.money.after_sale import AfterSale
from core.money.ledger import Ledger, publish_plan
from core.money.money import Money
from core.money.plans.rules import CHANNEL, CONSIGNOR, Moment, Plan, Rule, Vesting
from core.money.settlement.drawing import Drawn
from core.money.settlement.paper.writing import Form, statement_parts
from core.money.settlement.reading import settlements
from core.money.settlement.states import Payment
from core.money.settlement.terms import Payee, PayeeTerms
from core.orders.closing import Closing, SaleCloser
from core.orders.orders import load_order
from core.views.settlements import payees
from tests.factories import NOW, add_codes, add_consignor, add_shop, request, terms_of
from tests.settlement.house import (
    ADA,
    BOB,
    CHIEF,
    DAY,
    HOUR,
    balance,
    balanced,
    desk,
    draw,
    owe,
    runs,
    terms,
    tie,
)

WANTED = terms(PayeeTerms(approvals=0, reserve_ppm=50_000, reserve_days=2), bob=PayeeTerms(approvals=1))
HELD = Plan(
    "held",
    (
        Rule("fee", CHANNEL, rate_ppm=100_000),
        Rule("rest", CONSIGNOR, rest=True, vest=Vesting(Moment.HOLD, hold_days=3)),
    ),
)


async def one_step(pool: Pool, rng: random.Random, day: int) -> None:
    """Something that happens to what is owed."""
    now = NOW + day * DAY
    payee = rng.choice((ADA, BOB))
    match rng.randrange(9):
        case 0 | 1 | 2:
            await owe(pool, payee, rng.randint(1, 5000), at=now - rng.randint(0, 40) * HOUR)
        case 3:
            await owe(pool, payee, -rng.randint(1, 3000), at=now - HOUR)
        case 4 | 5:
            await draw(pool, until=now - rng.randint(0, 30) * HOUR, wanted=WANTED, now=now)
        case 6:
            await runs(pool, WANTED, now).release_reserves()
        case _:
            await move_one(pool, rng, now_day=day)


async def move_one(pool: Pool, rng: random.Random, now_day: int) -> None:
    """Approve, pay, withdraw or correct any settlement: what may not be is refused and changes nothing."""
    async with pool.acquire() as conn:
        known = await settlements(conn)
    if not known:
        return
    now, one = NOW + now_day * DAY, rng.choice(known)
    here, number = desk(pool, WANTED, now), one.settlement_id
    try:
        match rng.randrange(5):
            case 0:
                await here.approve(number, actor=CHIEF, reason="fine")
            case 1 | 2:
                await here.pay(number, Payment(now, "SEPA"), actor=CHIEF)
            case 3:
                await here.withdraw(number, actor=CHIEF, reason="not yet")
            case _:
                await here.correct(number, Money(rng.randint(1, 50), one.currency), actor=CHIEF, reason="x")
    except ConsigndError:
        return


async def holds(pool: Pool) -> None:
    await tie(pool)
    assert (await balanced(pool)).detail == ()
    async with pool.acquire() as conn:
        shown = await payees(conn)
    for each in shown:
        payee = Payee(each.party, each.party_name)
        unsettled: int = await pool.fetchval(
            "SELECT coalesce(sum(owed_minor), 0)::bigint FROM payable_entry JOIN account USING (account_id)"
            " WHERE settlement_id IS NULL AND party = $1 AND party_name = $2",
            payee.party,
            payee.name,
        )
        assert each.payable_minor == await balance(pool, payee)
        assert each.open_minor == unsettled
        assert each.reserve_minor == await balance(pool, payee, "reserve")


@pytest.mark.parametrize("seed", range(6))
async def test_each_entry_is_settled_once_or_open_whatever_happens(pool: Pool, seed: int) -> None:
    rng = random.Random(seed)
    for day in range(25):
        together = rng.choice((1, 1, 3))
        await asyncio.gather(*(one_step(pool, random.Random(rng.random()), day) for _ in range(together)))
        if day % 6 == 0:
            await holds(pool)
    await holds(pool)
    async with pool.acquire() as conn:
        known = await settlements(conn)
    # Every statement holds itself against the ledger before it says anything.
    for one in known:
        if one.state != "withdrawn":
            assert [part async for part in statement_parts(pool, one.settlement_id, Form.CSV)]


async def test_what_vests_later_is_held_until_then_and_settled_after(pool: Pool) -> None:
    shop = await add_shop(pool)
    owner = await add_consignor(pool, "Ada")
    await add_codes(pool, shop.sku_id, 5, consignor_id=owner)
    ledger, allocator = Ledger(pool), Allocator(pool, lambda: NOW)
    async with pool.acquire() as conn:
        plan_id, plan = await publish_plan(conn, HELD)
    closer = SaleCloser(pool, ledger, lambda: NOW)
    here = terms_of(shop.channel_id, shop.channel, plan_id, plan)
    for _ in range(2):
        taken = await allocator.reserve(request(shop))
        async with pool.acquire() as conn:
            order = await load_order(conn, taken.order_id)
        await closer.close(Closing(order, here, "test", ""))
    await owe(pool, ADA, 100, at=NOW)
    [early] = await draw(pool, ADA, until=NOW + HOUR, wanted=WANTED, now=NOW + HOUR)
    assert early.owed.amount_minor == 100
    assert await held_of(pool, early) == (3600, [((NOW + 3 * DAY).date(), 3600)])
    after = AfterSale(pool, ledger)
    async with pool.acquire() as conn, conn.transaction():
        await after.refund_units(conn, order.order_id, 1, 1, NOW + DAY, actor="test", reason="buyer")
    assert await after.settle_due(NOW + 3 * DAY) == 1
    late = NOW + 4 * DAY
    [vested] = await draw(pool, ADA, until=late, wanted=WANTED, now=late)
    assert (vested.owed.amount_minor, vested.entries) == (1800, 1)
    assert await held_of(pool, vested) == (0, [])
    await holds(pool)


async def held_of(pool: Pool, drawn: Drawn) -> tuple[int, list[tuple[object, int]]]:
    minor: int = await pool.fetchval(
        "SELECT held_minor FROM settlement WHERE settlement_id = $1", drawn.settlement_id
    )
    rows = await pool.fetch(
        "SELECT payable_on, amount_minor FROM settlement_held WHERE settlement_id = $1", drawn.settlement_id
    )
    return minor, [(row["payable_on"], row["amount_minor"]) for row in rows]
