"""Campaigns on a database: given once, within budget, taken back with refunds, every refusal kept."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import asyncpg
import pytest

from core.alerts.readings.looking import View
from core.alerts.readings.taking import take_readings
from core.alerts.rules import Measure, Metric
from core.campaigns.campaign import Budget, Guards, Limits, Pays
from core.campaigns.granting import Worked
from core.campaigns.publishing import stop
from core.errors import MoveRefused
from core.money.money import Money
from core.money.plans.rules import (
    Cap,
    Condition,
    Moment,
    OnRefund,
    Party,
    Per,
    Tier,
    TierBy,
    TierMode,
    Tiers,
    Vesting,
)
from core.wallets.wallets import Wallets
from tests.campaigns.bench import Bench
from tests.campaigns.made import PAYABLE, campaign, reward
from tests.factories import NOW

DAY = timedelta(days=1)
# Orders that a fixed amount is not more than the price of.
FROM_20 = Guards(None, None, None, minimum_order_minor=2000)
TENTH = reward(rate_ppm=100_000)


async def test_an_order_that_is_delivered_gets_its_reward_once_in_the_wallet(bench: Bench) -> None:
    await bench.publish(campaign(TENTH))
    order = await bench.sell("ann", 2000)
    await bench.work()
    await bench.work()
    assert await bench.grants() == [("spring", order.order_id, "back", 200)]
    ann = (await bench.buyer("ann")).name
    assert await bench.balances() == {
        ("operator", "spring", "rebate"): 200,
        ("buyer", ann, "wallet"): -200,
    }


async def test_many_granters_at_once_never_give_twice(bench: Bench) -> None:
    await bench.publish(campaign(TENTH))
    orders = [await bench.sell(f"buyer {n % 5}", 1000 + n) for n in range(20)]

    async def until_done() -> None:
        granting = bench.granting()
        for _ in range(40):
            await granting.work(3)

    await asyncio.gather(*(until_done() for _ in range(4)))
    await bench.work()
    given = await bench.grants()
    assert [order_id for _, order_id, _, _ in given] == [order.order_id for order in orders]
    assert sum((await bench.balances("buyer")).values()) == 0
    assert (await bench.balances())["operator", "spring", "rebate"] == sum(row[3] for row in given)


async def test_a_granter_that_is_killed_in_the_middle_leaves_everything_to_the_next(bench: Bench) -> None:
    await bench.publish(campaign(TENTH))
    for n in range(6):
        await bench.sell(f"buyer {n}")
    worker = asyncio.create_task(bench.granting().work())
    while not await bench.pool.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND backend_xid IS NOT NULL AND state <> 'idle' AND pid <> pg_backend_pid()"
    ):
        await asyncio.sleep(0)
        if worker.done():
            break
    await bench.pool.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND backend_xid IS NOT NULL AND pid <> pg_backend_pid()"
    )
    try:
        await worker
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        assert await bench.grants() == []
    await bench.work()
    assert [amount for *_, amount in await bench.grants()] == [200] * 6
    assert (await bench.balances())["operator", "spring", "rebate"] == 1200


async def test_what_is_written_late_is_not_missed_by_the_cursor(bench: Bench) -> None:
    """A transaction that is still open holds the horizon; what commits after it is read all the same."""
    await bench.publish(campaign(TENTH))
    async with bench.pool.acquire() as slow, slow.transaction():
        await slow.execute("SELECT pg_current_xact_id()")
        await bench.sell("ann")
        await bench.work()
        assert await bench.grants() == []
    await bench.work()
    assert len(await bench.grants()) == 1


@pytest.mark.parametrize("limit", [1, 2, 7, 200])
async def test_where_a_batch_is_cut_makes_no_difference(bench: Bench, limit: int) -> None:
    first = reward("first", rate_ppm=100_000, when=Condition(orders_to=1))
    third = reward("third", rate_ppm=200_000, when=Condition(orders_from=3, orders_to=3))
    await bench.publish(campaign(first, third, budget_minor=1100))
    orders = [await bench.sell(f"buyer {n % 2}", 2000) for n in range(6)]
    await bench.refund(orders[0])
    orders += [await bench.sell("late", 2000)]
    await bench.work(limit)
    assert [(order_id, name, amount) for _, order_id, name, amount in await bench.grants()] == [
        (orders[0].order_id, "first", 200),
        (orders[1].order_id, "first", 200),
        (orders[4].order_id, "third", 400),
        (orders[6].order_id, "first", 200),
    ]
    assert [row for row in await bench.refusals() if row[1] == "budget"] == [
        ("spring", "budget", "the budget has 3.00 EUR left, and 4.00 EUR is wanted")
    ]
    # The first order's 2.00 came back: 2 + 2 + 4 - 2 + 2.
    assert await bench.pool.fetchval("SELECT spent_minor FROM campaign") == 800


async def test_a_reward_comes_back_in_parts_and_in_whole_with_its_order(bench: Bench) -> None:
    await bench.publish(campaign(TENTH))
    order = await bench.sell("ann", 1999)
    await bench.work()
    # 10 % of 19.99 is 2.00. A third of the price, 6.66, goes back: 200 * 666 / 1999 = 66.6, so 0.67 of it.
    await bench.refund(order, 666)
    await bench.work()
    assert (await bench.balances())["operator", "spring", "rebate"] == 133
    await bench.refund(order, 333)
    await bench.work()
    # 9.99 of 19.99 went back in all: 99.95, so 1.00.
    assert (await bench.balances())["operator", "spring", "rebate"] == 100
    await bench.refund(order)
    await bench.work()
    assert await bench.balances() == {}
    backs = await bench.pool.fetch("SELECT amount_minor FROM campaign_grant_back ORDER BY back_no")
    assert [row["amount_minor"] for row in backs] == [67, 33, 100]
    assert await bench.pool.fetchval("SELECT spent_minor FROM campaign") == 0


async def test_what_a_rule_says_of_refunds_holds(bench: Bench) -> None:
    await bench.publish(
        campaign(
            reward("all", rate_ppm=100_000, on_refund=OnRefund.FULL),
            reward("kept", rate_ppm=50_000, on_refund=OnRefund.KEPT),
        )
    )
    order = await bench.sell("ann", 2000)
    await bench.work()
    await bench.refund(order, 1)
    await bench.work()
    assert (await bench.balances())["operator", "spring", "rebate"] == 100


async def test_what_was_spent_before_the_refund_is_owed_by_the_buyer(bench: Bench) -> None:
    await bench.publish(campaign(TENTH))
    order = await bench.sell("ann", 2000)
    await bench.work()
    buyer = await bench.buyer("ann")
    async with bench.pool.acquire() as conn, conn.transaction():
        await Wallets(bench.pool).spend(
            conn, buyer, Money(150, "EUR"), NOW, ref="x", to=("channel", "shop", "spent")
        )
    await bench.refund(order)
    await bench.work()
    standing = await bench.balances()
    assert ("operator", "spring", "rebate") not in standing
    assert await bench.pool.fetchval("SELECT sum(amount_minor)::bigint FROM wallet_claim") == 150


async def test_a_referrer_waits_for_the_hold_and_is_payable_after_it(bench: Bench) -> None:
    held = reward(
        "direct",
        fixed_minor=500,
        party=Party.parse("referrer-1"),
        pays=PAYABLE,
        vest=Vesting(Moment.HOLD, hold_days=14, parts=2, every_days=7),
    )
    await bench.publish(campaign(held, guards=FROM_20))
    await bench.brought("ann", "Bea")
    order = await bench.sell("ann", 4000)
    await bench.work()
    assert await bench.balances() == {
        ("operator", "spring", "rebate"): 500,
        ("referrer", "Bea", "held"): -500,
    }
    bench.now = NOW + 14 * DAY
    await bench.work()
    await bench.work()
    assert await bench.balances() == {
        ("operator", "spring", "rebate"): 500,
        ("referrer", "Bea", "held"): -250,
        ("referrer", "Bea", "payable"): -250,
    }
    await bench.refund(order)
    await bench.work()
    assert await bench.balances() == {}
    bench.now = NOW + 30 * DAY
    await bench.work()
    assert await bench.balances() == {}


async def test_nobody_is_paid_for_himself(bench: Bench) -> None:
    direct = reward("direct", fixed_minor=500, party=Party.parse("referrer-1"), pays=PAYABLE)
    await bench.publish(campaign(direct, guards=FROM_20))
    await bench.brought("ann", (await bench.buyer("bob")).name)
    joined = await bench.pool.fetchrow(
        "INSERT INTO buyer_mark SELECT buyer_id, 'device', decode(repeat('07', 32), 'hex'), $1, $1 FROM buyer"
        " RETURNING buyer_id",
        NOW,
    )
    assert joined is not None
    await bench.sell("ann", 4000)
    await bench.work()
    assert await bench.grants() == []
    ((name, code, reason),) = await bench.refusals()
    assert (name, code) == ("spring", "own_ring")
    assert "device" in reason


async def test_every_refusal_keeps_its_reason(bench: Bench) -> None:
    guarded = campaign(
        reward("psn", rate_ppm=10_000, when=Condition(tags=("psn",))),
        reward("much", rate_ppm=250_000),
        reward("fine", rate_ppm=10_000),
        guards=Guards(lifetime_ppm=None, minimum_order_minor=1500),
    )
    await bench.publish(guarded)
    await bench.sell(None, 2000)
    await bench.sell("ann", 1499)
    # A fifth of what the channel leaves is ours: 3.60 of 20.00. A quarter of the price, 5.00, is more.
    await bench.sell("ann", 2000)
    await bench.work()
    reasons = [reason for _, _, reason in await bench.refusals()]
    assert reasons.count("the channel does not tell who the buyer is") == 3
    assert "rewards of 5.00 EUR for an order whose margin is 3.60 EUR: more than 100 % of it" in reasons
    assert reasons.count("tag is none, not psn") == 2
    assert [name for *_, name, _ in await bench.grants()] == ["fine"]


async def test_an_account_gets_no_more_than_its_limits(bench: Bench) -> None:
    limited = campaign(TENTH, limits=Limits(grants_per_account=2, amount_per_account_minor=350))
    await bench.publish(limited)
    for price_minor in (2000, 2000, 1000, 1000):
        await bench.sell("ann", price_minor)
    await bench.work()
    assert [amount for *_, amount in await bench.grants()] == [200, 100]
    assert [reason for _, _, reason in await bench.refusals()] == [
        "this account has had 2.00 EUR of 3.50 EUR, and 2.00 EUR more is too much",
        "this account has had 2 of 2 rewards",
    ]


async def test_devices_that_several_buyers_share_are_one(bench: Bench) -> None:
    await bench.publish(campaign(TENTH, limits=Limits(grants_per_device=1)))
    for ref in ("ann", "bob"):
        buyer = await bench.buyer(ref)
        await bench.pool.execute(
            "INSERT INTO buyer_mark VALUES ($1, 'device', decode(repeat('07', 32), 'hex'), $2, $2)",
            buyer.buyer_id,
            NOW,
        )
    await bench.sell("ann")
    await bench.sell("bob")
    await bench.work()
    assert len(await bench.grants()) == 1
    assert [code for _, code, _ in await bench.refusals()] == ["limit"]


async def test_the_days_budget_brakes_and_is_new_the_next_day(bench: Bench) -> None:
    await bench.publish(campaign(TENTH, budget=Budget(10_000, per_day_minor=300)))
    await bench.sell("ann", 2000)
    await bench.sell("bob", 2000)
    bench.now = NOW + DAY
    await bench.sell("cat", 2000)
    await bench.work()
    assert [amount for *_, amount in await bench.grants()] == [200, 200]
    assert [code for _, code, _ in await bench.refusals()] == ["day_budget"]


async def test_orders_from_before_it_was_published_get_nothing_unless_it_says_so(bench: Bench) -> None:
    early = await bench.sell("ann", 2000)
    await bench.work()
    bench.now = NOW + DAY
    await bench.publish(campaign(TENTH, name="plain"), at=NOW + DAY)
    await bench.publish(campaign(TENTH, name="kind", earlier_orders=True), at=NOW + DAY)
    await bench.work(1)
    assert [(name, order_id) for name, order_id, *_ in await bench.grants()] == [("kind", early.order_id)]
    assert await bench.pool.fetchval("SELECT count(*) FROM campaign_cursor") == 1


async def test_a_refund_that_came_before_an_early_order_was_read_is_not_forgotten(bench: Bench) -> None:
    early = await bench.sell("ann", 2000)
    await bench.publish(campaign(TENTH, earlier_orders=True), at=NOW + DAY)
    await bench.refund(early, 500)
    await bench.work(1)
    assert (await bench.balances())["operator", "spring", "rebate"] == 150


async def test_what_is_stopped_gives_no_more_and_takes_back_all_the_same(bench: Bench) -> None:
    await bench.publish(campaign(TENTH))
    order = await bench.sell("ann", 2000)
    async with bench.pool.acquire() as conn, conn.transaction():
        await stop(conn, "spring", actor="test", reason="enough", now=NOW + DAY)
    bench.now = NOW + DAY
    await bench.sell("bob", 2000)
    await bench.work()
    assert [order_id for _, order_id, *_ in await bench.grants()] == [order.order_id]
    await bench.refund(order)
    await bench.work()
    assert await bench.balances() == {}
    with pytest.raises(MoveRefused, match="another name"):
        await bench.publish(campaign(TENTH), at=NOW + DAY)


async def test_turnover_that_is_refunded_counts_no_more_for_the_next_tier(bench: Bench) -> None:
    tiers = Tiers(TierBy.TURNOVER, TierMode.WHOLE, (Tier(0), Tier(3000, rate_ppm=100_000)), Per.MONTH)
    await bench.publish(campaign(reward("tiers", tiers=tiers)))
    first = await bench.sell("ann", 2000)
    await bench.sell("ann", 2000)
    await bench.work()
    await bench.refund(first)
    third = await bench.sell("ann", 2000)
    fourth = await bench.sell("ann", 2000)
    await bench.work()
    # Before the third stood 40.00, of which 20.00 went back; before the fourth 40.00.
    assert third.order_id != fourth.order_id
    assert [order_id for _, order_id, *_ in await bench.grants()] == [fourth.order_id]


async def test_a_cap_counts_for_each_beneficiary_and_is_free_again_after_a_refund(bench: Bench) -> None:
    capped = reward("capped", rate_ppm=100_000, cap=Cap(300, Per.MONTH))
    await bench.publish(campaign(capped))
    first = await bench.sell("ann", 2000)
    await bench.sell("ann", 2000)
    await bench.sell("bob", 2000)
    await bench.work()
    await bench.refund(first)
    await bench.sell("ann", 2000)
    await bench.work()
    assert [amount for *_, amount in await bench.grants()] == [200, 100, 200, 200]


async def test_what_cannot_be_paid_is_refused_with_the_reason_and_holds_up_nobody(bench: Bench) -> None:
    await bench.publish(
        campaign(reward("none", fixed_minor=100, pays=Pays.parse("coupon:gone")), TENTH, guards=FROM_20)
    )
    await bench.sell("ann", 2000)
    await bench.work()
    assert [name for _, _, name, _ in await bench.grants()] == ["back"]
    ((_, code, reason),) = await bench.refusals()
    assert (code, "coupons" in reason) == ("not_paid", True)


async def test_without_campaigns_nothing_is_read(bench: Bench) -> None:
    await bench.sell("ann", 2000)
    assert await bench.granting().work() == Worked()
    assert await bench.pool.fetchval("SELECT count(*) FROM buyer") == 0


async def test_a_reward_that_is_warned_of_is_a_reading_for_alerts(bench: Bench) -> None:
    measure = Measure(Metric.REWARDS_WARNED, window=DAY)
    await bench.publish(campaign(TENTH, guards=Guards(lifetime_ppm=None)))
    async with bench.pool.acquire() as conn:
        (before,) = await take_readings(conn, measure, View(NOW))
        await bench.sell("ann", 2000)
        await bench.work()
        (after,) = await take_readings(conn, measure, View(NOW))
        (later,) = await take_readings(conn, measure, View(NOW + 2 * DAY))
    assert (before.value, after.value, later.value) == (0, 1, 0)
    assert "rewards of 2.00 EUR for an order whose margin is 3.60 EUR" in str(after.facts["why"])
