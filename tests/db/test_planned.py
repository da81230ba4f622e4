"""Sales under plans that ask for more than a price: facts kept, limits counted, shares vest, debts paid."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings

from core.db.pool import Pool
from core.errors import InvalidInput
from core.money.after_sale import AfterSale
from core.money.ledger import Ledger, publish_plan
from core.money.money import Money
from core.money.plans.choice import PlanChoice
from core.money.plans.rules import (
    CHANNEL,
    CONSIGNOR,
    OPERATOR,
    Base,
    Cap,
    Condition,
    Lapse,
    Moment,
    OnRefund,
    Party,
    Per,
    Plan,
    Rule,
    Short,
    Vesting,
)
from core.money.sold import load_sold
from core.offers.terms import ChannelTerms
from core.orders.closing import Closing, SaleCloser
from core.orders.orders import Order, load_order
from core.orders.owed import OwedSplits, owed_splits
from core.types import OrderState
from core.views.invariants import check
from core.views.ledger import explain_order
from core.views.split_simulation import SplitReplay
from tests.db.test_closing import balance_by_account, close_all, closer_of, sold
from tests.factories import NOW, Shop, add_shop, terms_of
from tests.unit.drawn_plans import plans

REST = Rule("rest", CONSIGNOR, rest=True)
FEE = Rule("fee", CHANNEL, rate_ppm=100_000, when_short=Short.LOSS)
MARGIN = Rule("margin", OPERATOR, base=Base.MARGIN, rate_ppm=500_000)
DAY = timedelta(days=1)
NO_HOLD = timedelta(0)


async def terms_by(pool: Pool, shop: Shop, *rules: Rule, payout_hold: timedelta = NO_HOLD) -> ChannelTerms:
    async with pool.acquire() as conn:
        plan_id, plan = await publish_plan(conn, Plan("special", rules, currency="EUR"))
    return replace(terms_of(shop.channel_id, shop.channel, plan_id, plan), payout_hold=payout_hold)


async def sell(pool: Pool, shop: Shop, terms: ChannelTerms, quantity: int = 1) -> Order:
    (order,) = await sold(pool, shop, quantity=quantity)
    return await closer_of(pool).close(Closing(order, terms, "test", ""))


async def agrees(pool: Pool, order: Order) -> None:
    """What was ever posted about each line is what the engine says now, and all of it is kept in order."""
    async with pool.acquire() as conn:
        explained = await explain_order(conn, order.order_id)
        assert all(line.agrees for line in explained.lines)
    report = await check(pool, bound_permille=1000, now=NOW, vault=None)
    for name in ("balanced", "paid-is-split"):
        (found,) = [each for each in report.invariants if each.name == name]
        assert found.ok, found


async def test_a_share_of_the_margin_is_reckoned_from_what_the_code_cost(pool: Pool) -> None:
    shop = await add_shop(pool, codes=3)
    await pool.execute("UPDATE shelf SET unit_cost_minor = 1200, currency = 'EUR'")
    order = await sell(pool, shop, await terms_by(pool, shop, FEE, MARGIN, REST))
    assert (await balance_by_account(pool))["operator", "commission"] == -300
    await agrees(pool, order)


async def test_a_sale_that_cannot_be_split_is_delivered_and_its_money_owed_until_it_can(pool: Pool) -> None:
    shop = await add_shop(pool, codes=5)
    await pool.execute("UPDATE shelf SET unit_cost_minor = NULL, currency = NULL")
    terms = await terms_by(pool, shop, FEE, MARGIN, REST)
    order = await sell(pool, shop, terms)
    assert order.state is OrderState.DELIVERED
    assert await balance_by_account(pool) == {}
    async with pool.acquire() as conn:
        (owed,) = await owed_splits(conn)
    assert (owed.order_id, owed.tries) == (order.order_id, 1)
    assert "is not known" in owed.why
    calm = await check(pool, bound_permille=1000, now=NOW, vault=None)
    strict = await check(pool, bound_permille=1000, now=NOW, vault=None, strict=True)
    (told,) = [each for each in calm.invariants if each.name == "paid-is-split"]
    (counted,) = [each for each in strict.invariants if each.name == "paid-is-split"]
    assert told.ok
    assert "owed" in told.detail[0]
    assert counted.violations == 1
    owing = OwedSplits(pool, Ledger(pool))
    assert await owing.retry({shop.channel_id: terms}, NOW + DAY) == 0
    await pool.execute("UPDATE shelf SET unit_cost_minor = 1200, currency = 'EUR'")
    again = [owing.retry({shop.channel_id: terms}, NOW + 2 * DAY) for _ in range(3)]
    assert sum(await asyncio.gather(*again)) == 1
    assert (await balance_by_account(pool))["consignor", "payable"] == -1500
    await agrees(pool, order)


async def test_one_order_whose_money_is_owed_does_not_keep_its_group(pool: Pool) -> None:
    shop, dear = await add_shop(pool, codes=10), await add_shop(pool, codes=10)
    await pool.execute(
        "UPDATE shelf SET unit_cost_minor = 1200, currency = 'EUR' WHERE sku_id = $1", shop.sku_id
    )
    await pool.execute(
        "UPDATE shelf SET unit_cost_minor = NULL, currency = NULL WHERE sku_id = $1", dear.sku_id
    )
    terms = await terms_by(pool, shop, FEE, MARGIN, REST)
    orders = [*await sold(pool, shop, count=5), *await sold(pool, dear, count=2)]
    answers = await close_all(closer_of(pool), terms, orders)
    assert all(isinstance(answer, Order) for answer in answers)
    assert await pool.fetchval("SELECT count(*) FROM journal_transaction") == 5
    assert await pool.fetchval("SELECT count(*) FROM split_owed") == 2


async def test_money_that_goes_back_before_it_was_split_is_owed_no_more(pool: Pool) -> None:
    shop = await add_shop(pool, codes=5)
    await pool.execute("UPDATE shelf SET unit_cost_minor = NULL, currency = NULL")
    order = await sell(pool, shop, await terms_by(pool, shop, FEE, MARGIN, REST))
    async with pool.acquire() as conn, conn.transaction():
        assert await Ledger(pool).reverse_order(conn, order.order_id, NOW) == 0
    assert await pool.fetchval("SELECT outcome FROM split_owed") == "refunded"


async def test_a_cap_is_never_passed_however_many_daemons_sell_at_once(pool: Pool) -> None:
    shop = await add_shop(pool, codes=40)
    capped = Rule("promo", OPERATOR, rate_ppm=100_000, cap=Cap(1_050, Per.MONTH), when_short=Short.LESS)
    terms = await terms_by(pool, shop, FEE, capped, REST)
    orders = await sold(pool, shop, count=30)
    closers = [closer_of(pool) for _ in range(3)]
    parts = [close_all(closers[n], terms, orders) for n in range(3)]
    answers = [answer for part in await asyncio.gather(*parts) for answer in part]
    assert sum(isinstance(answer, Order) for answer in answers) == 30
    assert (await balance_by_account(pool))["operator", "commission"] == -1_050
    row = await pool.fetchrow("SELECT taken_minor, turnover_minor, units FROM plan_counter")
    assert row is not None
    assert tuple(row) == (1_050, 60_000, 30)
    for order in orders:
        async with pool.acquire() as conn:
            assert (await explain_order(conn, order.order_id)).lines[0].agrees


async def test_a_first_order_is_told_from_a_second(pool: Pool) -> None:
    shop = await add_shop(pool, codes=9)
    first = Rule("welcome", OPERATOR, fixed_minor=300, when=Condition(orders_from=1, orders_to=1))
    terms = await terms_by(pool, shop, FEE, first, REST)
    orders = await sold(pool, shop, count=3)
    await pool.execute("ALTER TABLE channel_order DISABLE TRIGGER channel_order_append_only")
    await pool.execute("UPDATE channel_order SET buyer_ref = 'ann'")
    await close_all(closer_of(pool), terms, orders[:2])
    await close_all(closer_of(pool), terms, orders[2:])
    assert (await balance_by_account(pool))["operator", "commission"] == -300


async def test_what_is_held_vests_and_lapses_in_its_time_and_once(pool: Pool) -> None:
    shop = await add_shop(pool, codes=3)
    later = Rule("rest", CONSIGNOR, rest=True, vest=Vesting(Moment.HOLD, parts=2, every_days=10))
    lapsing = Rule(
        "points", Party.parse("party:club"), rate_ppm=50_000, vest=Vesting(Moment.REDEMPTION), lapse=Lapse(5)
    )
    terms = await terms_by(pool, shop, FEE, lapsing, later, payout_hold=7 * DAY)
    order = await sell(pool, shop, terms)
    at_first = await balance_by_account(pool)
    assert (at_first["consignor", "held"], at_first["party", "held"]) == (-1700, -100)
    after = AfterSale(pool, Ledger(pool))
    for day, payable in ((1, 0), (5, 0), (7, -850), (16, -850), (17, -1700)):
        await asyncio.gather(*(after.settle_due(NOW + day * DAY) for _ in range(3)))
        assert (await balance_by_account(pool)).get(("consignor", "payable"), 0) == payable
        await agrees(pool, order)
    assert (await balance_by_account(pool))["operator", "commission"] == -100
    assert await pool.fetchval("SELECT count(*) FROM split_due") == 0
    kinds = await pool.fetch("SELECT kind FROM journal_transaction ORDER BY posted_at")
    assert [row["kind"] for row in kinds] == ["sale", "lapse", "release", "release"]


async def test_a_share_of_what_is_redeemed_comes_with_the_redemption(pool: Pool) -> None:
    shop = await add_shop(pool, codes=3)
    club = Rule("club", Party.parse("party:club"), base=Base.REDEEMED, rate_ppm=50_000)
    order = await sell(pool, shop, await terms_by(pool, shop, FEE, club, REST))
    after = AfterSale(pool, Ledger(pool))
    async with pool.acquire() as conn, conn.transaction():
        await after.redeem(conn, order.order_id, 1, Money(1000, "EUR"), NOW + DAY, actor="test")
        assert not await after.redeem(conn, order.order_id, 1, Money(1000, "EUR"), NOW + DAY, actor="test")
        with pytest.raises(InvalidInput, match="write the sum"):
            await after.redeem(conn, order.order_id, 1, Money(900, "EUR"), NOW + DAY, actor="test")
    assert (await balance_by_account(pool))["party", "payable"] == -50
    await agrees(pool, order)


async def test_parts_that_go_back_sum_to_the_whole_and_a_kept_fee_stays(pool: Pool) -> None:
    shop = await add_shop(pool, codes=5)
    kept = replace(FEE, on_refund=OnRefund.KEPT)
    order = await sell(pool, shop, await terms_by(pool, shop, kept, REST), quantity=3)
    after, ledger = AfterSale(pool, Ledger(pool)), Ledger(pool)
    async with pool.acquire() as conn, conn.transaction():
        await after.refund_units(conn, order.order_id, 1, 1, NOW, actor="ann", reason="bad")
        euro = Money(100, "EUR")
        await after.refund_amount(conn, order.order_id, 1, euro, NOW, actor="ann", reason="late")
        with pytest.raises(InvalidInput):
            await after.refund_units(conn, order.order_id, 1, 2, NOW, actor="ann", reason="too much")
    await agrees(pool, order)
    async with pool.acquire() as conn, conn.transaction():
        assert await ledger.reverse_order(conn, order.order_id, NOW) == 1
        assert await ledger.reverse_order(conn, order.order_id, NOW) == 0
    balances = await balance_by_account(pool)
    assert balances["channel", "commission"] == 600
    assert balances["channel", "receivable"] == -600
    assert balances["operator", "loss"] == 600
    assert balances["consignor", "payable"] == 0


async def test_the_first_choice_that_fits_splits_a_line_and_is_remembered(pool: Pool) -> None:
    shop = await add_shop(pool, codes=5)
    terms = await terms_by(pool, shop, FEE, REST)
    async with pool.acquire() as conn:
        plan_id, plan = await publish_plan(conn, Plan("games", (REST,)))
    choices = (
        PlanChoice(plan_id, plan, "a", tags=("cards",)),
        PlanChoice(plan_id, plan, "b", tags=("games",)),
    )
    await pool.execute("UPDATE sku SET tags = '{games}'")
    order = await sell(pool, shop, replace(terms, plan_choices=choices))
    async with pool.acquire() as conn:
        (line,) = (await explain_order(conn, order.order_id)).lines
    assert (line.plan, line.chosen_by) == ("games", "b")


async def test_a_crash_between_two_steps_leaves_an_order_undelivered_or_whole(pool: Pool) -> None:
    shop = await add_shop(pool, codes=5)
    capped = Rule("promo", OPERATOR, rate_ppm=100_000, cap=Cap(1_050, Per.MONTH), when_short=Short.LESS)
    terms = await terms_by(pool, shop, FEE, capped, REST)
    (order,) = await sold(pool, shop)
    await pool.execute("ALTER TABLE sale_facts ADD CONSTRAINT broken CHECK (order_id < 0)")
    with pytest.raises(Exception, match="broken"):
        await closer_of(pool).close(Closing(order, terms, "test", ""))
    async with pool.acquire() as conn:
        assert (await load_order(conn, order.order_id)).state is OrderState.ACCEPTED
        assert await load_sold(conn, order.order_id) == []
    assert await pool.fetchval("SELECT count(*) FROM plan_counter") == 0
    await pool.execute("ALTER TABLE sale_facts DROP CONSTRAINT broken")
    await SaleCloser(pool, Ledger(pool), lambda: NOW).close(Closing(order, terms, "test", ""))
    assert await pool.fetchval("SELECT units FROM plan_counter") == 1


@given(plan=plans())
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_the_plan_all_that_was_posted_is_the_engines_answer(pool: Pool, plan: Plan) -> None:
    shop = await add_shop(pool, codes=3)
    async with pool.acquire() as conn:
        plan_id, published = await publish_plan(conn, plan)
    terms = replace(terms_of(shop.channel_id, shop.channel, plan_id, published), payout_hold=3 * DAY)
    order = await sell(pool, shop, terms, quantity=2)
    if await pool.fetchval("SELECT count(*) FROM split_owed WHERE order_id = $1", order.order_id):
        return
    after = AfterSale(pool, Ledger(pool))
    for days in (2, 40):
        await after.settle_due(NOW + days * DAY)
    async with pool.acquire() as conn, conn.transaction():
        at = NOW + 41 * DAY
        await after.refund_units(conn, order.order_id, 1, 1, at, actor="ann", reason="bad")
        (line,) = await load_sold(conn, order.order_id)
        assert line.expected(at) == dict(line.standing)
        await Ledger(pool).reverse_order(conn, order.order_id, at)
        (line,) = await load_sold(conn, order.order_id)
        assert line.expected(at) == dict(line.standing)


async def test_another_plan_is_held_against_the_same_sales(pool: Pool) -> None:
    shop = await add_shop(pool, codes=9)
    await pool.execute("UPDATE shelf SET unit_cost_minor = 1200, currency = 'EUR'")
    terms = await terms_by(pool, shop, FEE, REST)
    await close_all(closer_of(pool), terms, await sold(pool, shop, count=4, quantity=2))
    capped = Rule("promo", OPERATOR, rate_ppm=100_000, cap=Cap(1_050, Per.MONTH), when_short=Short.LESS)
    replay = SplitReplay(Plan("draft", (FEE, MARGIN, capped, REST), currency="EUR"), NOW - DAY)
    async with pool.acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
        assert [seen async for seen in replay.run(conn)] == [(0, 4), (4, 4)]
    found = replay.result()
    by_party = {row.party: (row.old_minor, row.new_minor) for row in found.parties}
    assert by_party == {
        "channel": (1_600, 1_600),
        "operator": (0, 8 * 300 + 1_050),
        "consignor": (14_400, 14_400 - 8 * 300 - 1_050),
    }
    assert (found.lines, found.unsplit) == (4, 0)


async def test_a_sale_that_cannot_be_read_does_not_keep_others_from_vesting(pool: Pool) -> None:
    shop = await add_shop(pool, codes=5)
    held = Rule("rest", CONSIGNOR, rest=True, vest=Vesting(Moment.HOLD))
    terms = await terms_by(pool, shop, FEE, held, payout_hold=DAY)
    bad = await sell(pool, shop, terms)
    good = await sell(pool, shop, terms)
    await pool.execute("ALTER TABLE split_plan DISABLE TRIGGER split_plan_append_only")
    await pool.execute("ALTER TABLE journal_transaction DISABLE TRIGGER journal_transaction_append_only")
    await pool.execute("INSERT INTO split_plan (name, version, rules) VALUES ('odd', 1, '{\"rules\": 5}')")
    await pool.execute(
        "UPDATE journal_transaction SET plan_id = (SELECT plan_id FROM split_plan WHERE name = 'odd')"
        " WHERE order_id = $1",
        bad.order_id,
    )
    assert await AfterSale(pool, Ledger(pool)).settle_due(NOW + 2 * DAY) == 2
    assert (await balance_by_account(pool))["consignor", "payable"] == -1800
    async with pool.acquire() as conn:
        assert (await explain_order(conn, good.order_id)).lines[0].agrees
