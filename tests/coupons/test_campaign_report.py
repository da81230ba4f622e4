"""Holds the report of a campaign to figures worked out by hand, and its queries to few look-ups an order."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from xml.etree import ElementTree

import pytest

from core.buyers.buyers import known_buyers
from core.db.pool import Pool
from core.db.queries import load_queries
from core.errors import InvalidInput
from core.views.campaign_report import CampaignReport, PeriodSales, Rate, ReportDay, read_campaign_report
from tests.coupons.bench import NOW, TENTH, Till, Why, basket
from tests.coupons.selling import Scene
from web.console.money.campaign_figures import campaign_chart

START = NOW - timedelta(days=60)


def day(number: float) -> Any:
    """So many days after the campaign's start."""
    return START + timedelta(days=number)


async def report(pool: Pool, now: Any = NOW) -> CampaignReport:
    async with pool.acquire() as conn:
        return await read_campaign_report(conn, "spring", now)


async def test_the_figures_are_those_worked_out_by_hand(pool: Pool) -> None:
    """Ten days: before them orders of 10.00 and 20.00, in them of 10.00, 30.00 and 20.00; a code costs 6.00.

    Margin before: 30.00 - 12.00 = 18.00; in them: 60.00 - 18.00 = 42.00; 24.00 more. Granted 5.00 + 3.00, of
    which 2.00 came back: cost 6.00. Return: (24.00 - 6.00) / 6.00 = 3.
    """
    scene = await Scene.open(pool)
    await scene.campaign("spring", START, 10)
    await scene.sell(day(-10.5), 9900, "early")
    await scene.sell(day(-9), 1000, "anna")
    await scene.sell(day(-1), 2000, "ben")
    first = await scene.sell(day(0), 1000, "anna")
    second = await scene.sell(day(2), 3000, "carl")
    third = await scene.sell(day(2.25), 2000, "ben")
    back = await scene.sell(day(3), 5000, "dora")
    await scene.refund(back, day(4))
    await scene.sell(day(10), 7700, "late")
    await scene.sell(day(20), 100, "anna")
    await scene.sell(day(39), 100, "carl")
    await scene.grant("spring", first, 500, day(0))
    await scene.grant("spring", second, 300, day(2))
    await scene.refuse("spring", third, day(2.25))
    await pool.execute("UPDATE campaign_spend SET returned_minor = 200 WHERE day = $1", day(2).date())
    found = await report(pool)
    assert (found.starts_at, found.until, found.before_from) == (day(0), day(10), day(-10))
    assert found.during == PeriodSales(3, 3, 6000, 6000, 1800)
    assert found.before == PeriodSales(2, 2, 3000, 3000, 1200)
    assert (found.granted_minor, found.returned_minor, found.cost_minor) == (800, 200, 600)
    assert (found.extra_turnover_minor, found.extra_margin_minor) == (3000, 2400)
    assert (found.return_permille, found.costs_known_permille) == (3000, 1000)
    assert found.conversion == Rate(2, 3)
    # Anna came again after 20 days, Carl after 37, which is too late; Ben, who got nothing, never did.
    assert (found.rewarded_again, found.others_again) == (Rate(1, 2), Rate(0, 1))
    assert not found.running
    assert found.thin == ("extra sales", "return on cost", "conversion", "repurchase")
    assert len(found.days) == 11
    assert found.days[2] == ReportDay(day(2).date(), 300, 200, 5000, 0)
    assert found.days[1] == ReportDay(day(1).date(), 0, 0, 0, 1000)


async def test_costs_that_nobody_told_leave_the_return_open(pool: Pool) -> None:
    scene = await Scene.open(pool, unit_cost_minor=None)
    await scene.campaign("spring", START, 10)
    await scene.grant("spring", await scene.sell(day(1), 1000, "anna"), 100, day(1))
    found = await report(pool)
    assert (found.during.turnover_minor, found.during.margin_minor) == (1000, None)
    assert (found.extra_margin_minor, found.return_permille, found.costs_known_permille) == (None, None, 0)


async def test_a_campaign_that_runs_is_reported_until_now(pool: Pool) -> None:
    scene = await Scene.open(pool)
    await scene.campaign("spring", START, 90)
    found = await report(pool, day(3))
    assert found.running
    assert (found.until, found.before_from) == (day(3), day(-3))
    assert found.conversion.permille is None
    assert found.rewarded_again.whole == 0
    with pytest.raises(InvalidInput, match="not begun"):
        await report(pool, day(0))
    async with pool.acquire() as conn:
        with pytest.raises(InvalidInput, match="no campaign is named"):
            await read_campaign_report(conn, "winter", NOW)


async def test_a_campaign_that_was_stopped_ends_there(pool: Pool) -> None:
    scene = await Scene.open(pool)
    await scene.campaign("spring", START, 90)
    await pool.execute("INSERT INTO campaign_stop VALUES ('spring', $1, 'anna', 'enough')", day(7))
    found = await report(pool)
    assert (found.until, found.running) == (day(7), False)


async def test_what_was_given_is_held_against_what_was_used(pool: Pool) -> None:
    till = await Till.open(pool, TENTH)
    scene = await Scene.open(pool)
    await scene.campaign("spring", START, 10)
    used, unused = await till.issue("spring"), await till.issue("spring")
    await till.redeem(used.code, basket("shop", 2000, ref="b-1"))
    await till.confirm("b-1")
    for number, coupon in enumerate((used, unused)):
        order_id = await scene.sell(day(1), 1000, f"u-{number}")
        await scene.grant("spring", order_id, 100, day(1), pays="coupon:spring", paid=coupon.coupon_id)
    lot_id = await lot(pool, 400)
    await pool.execute(
        "INSERT INTO wallet_spend (buyer_id, programme, ref, request_hash, currency, units, amount_minor,"
        " to_party, to_name, to_purpose, spent_at)"
        " SELECT buyer_id, '', 'x', '', 'EUR', 150, 150, 'o', '', 's',"
        " $1 FROM buyer LIMIT 1",
        NOW,
    )
    await pool.execute(
        "INSERT INTO wallet_use SELECT $1, 1, 'spent', 150, 150, spend_id, NULL, $2, 'x' FROM wallet_spend",
        lot_id,
        NOW,
    )
    await scene.grant("spring", await scene.sell(day(2), 1000, "u-0"), 400, day(2), paid=lot_id)
    found = {each.pays: each.used for each in (await report(pool)).redemptions}
    assert found == {"coupon:spring": Rate(1, 2), "wallet": Rate(150, 400)}


async def lot(pool: Pool, amount_minor: int) -> int:
    lot_id: int = await pool.fetchval(
        "INSERT INTO wallet_lot (buyer_id, programme, currency, units, amount_minor, source_kind, source_ref,"
        " cost_party, cost_name, cost_purpose, credited_at, transaction_id)"
        " SELECT buyer_id, '', 'EUR', $1, $1, 'test', $3, 'operator', 'spring', 'rebate', $2, 1"
        " FROM buyer LIMIT 1 RETURNING lot_id",
        amount_minor,
        NOW,
        Why("test", "1").ref,
    )
    return lot_id


def empty() -> CampaignReport:
    nothing = PeriodSales(0, 0, 0, 0, 0)
    none = Rate(0, 0)
    return CampaignReport(
        "a<b>&", "EUR", START, NOW, START, False, 0, 0, nothing, nothing, none, (), 30, none, none, ()
    )


def test_the_picture_draws_every_day_and_lets_no_name_out() -> None:
    days = tuple(
        ReportDay(date(2026, 1, 1) + timedelta(days=n), 100 * n, 50, 1000 * n, 500) for n in range(5)
    )
    picture = ElementTree.fromstring(campaign_chart(replace(empty(), days=days)))
    assert picture.get("aria-label") == "a<b>&"
    kinds = [rect.get("class") for rect in picture if rect.tag.endswith("rect")]
    assert (kinds.count("now"), kinds.count("back")) == (4, 4)
    for rect in picture:
        if rect.tag.endswith("rect"):
            assert 0 <= float(rect.get("y") or -1) <= 100
            assert 0 < float(rect.get("height") or 0) <= 100
    assert campaign_chart(empty()) == ""
    year = tuple(ReportDay(date(2026, 1, 1) + timedelta(days=n), 0, 0, 100, 100) for n in range(400))
    many = ElementTree.fromstring(campaign_chart(replace(empty(), days=year)))
    assert len([rect for rect in many if rect.tag.endswith("rect")]) <= 120


def touched(plan: dict[str, Any]) -> float:
    """Rows that a plan handled, over all its nodes and loops, those that filters threw away among them."""
    own = (
        plan["Actual Rows"]
        + plan.get("Rows Removed by Filter", 0)
        + plan.get("Rows Removed by Join Filter", 0)
    )
    return float(own * plan["Actual Loops"]) + sum(touched(part) for part in plan.get("Plans", ()))


@pytest.mark.parametrize("query", ["sales", "customers", "repurchase"])
async def test_a_report_looks_at_each_order_a_few_times(pool: Pool, query: str) -> None:
    scene = await Scene.open(pool, codes=1)
    await scene.campaign("spring", START, 10)
    orders = 4000
    await fill(pool, scene, orders)
    sql = load_queries("core.views", "campaign_report.sql")[query]
    told: tuple[object, ...] = ("EUR", day(-10), day(10), day(0))
    if query == "repurchase":
        told = ("EUR", "spring", day(-10), day(10), NOW, 30)
    async with pool.acquire() as conn:
        await conn.execute("ANALYZE")
        (plan,) = await conn.fetchval("EXPLAIN (ANALYZE, FORMAT JSON) " + sql, *told)
    assert touched(plan["Plan"]) <= 40 * orders, plan


async def fill(pool: Pool, scene: Scene, orders: int) -> None:
    """So many orders over twenty days, of a third as many buyers."""
    ids = list(range(1, orders + 1))
    await pool.execute(
        "INSERT INTO channel_order (order_id, lane, channel_id, order_ref, first_state, request_hash,"
        " currency, buyer_ref, placed_at, created_at) SELECT id, 0, $2, id::text, 'accepted', '', 'EUR',"
        " 'u-' || id % $4, $3::timestamptz + id * interval '7 minutes', $3 FROM unnest($1::bigint[]) id",
        ids,
        scene.shop.channel_id,
        day(-10),
        orders // 3,
    )
    await pool.execute(
        "INSERT INTO order_line SELECT id, 1, 0, '1', $2, $3, 1, 1000, $4 FROM unnest($1::bigint[]) id",
        ids,
        scene.shop.listing_id,
        scene.shop.sku_id,
        NOW,
    )
    await pool.execute(
        "INSERT INTO allocation SELECT 0, $2, id, id, 1 FROM unnest($1::bigint[]) id", ids, scene.shelf_id
    )
    await pool.execute(
        "INSERT INTO journal_transaction (transaction_id, lane, kind, order_id, line_no, plan_id, posted_at)"
        " SELECT id, 0, 'sale', id, 1, plan_id, $2::timestamptz + id * interval '7 minutes'"
        " FROM unnest($1::bigint[]) id, split_plan",
        ids,
        day(-10),
    )
    async with pool.acquire() as conn:
        from_shop = [(scene.shop.channel_id, f"u-{n}") for n in range(orders // 3)]
        await known_buyers(conn, from_shop, NOW)
