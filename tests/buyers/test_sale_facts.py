"""Tests what real sales tell their plans, what is left out and why, and what is owed until it is told."""

from __future__ import annotations

from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.alerts.readings.looking import View
from core.alerts.readings.taking import take_readings
from core.alerts.rules import Measure, Metric
from core.buyers.fact_terms import FactTerms, TaxRule
from core.buyers.marks import marks_of_people
from core.buyers.segments import Segment, publish_segments
from core.db.pool import Pool
from core.money.ledger import Ledger
from core.money.plans.facts import CodesOf
from core.money.plans.rules import CHANNEL, CONSIGNOR, OPERATOR, Base, Condition, Plan, Rule, Short
from core.money.rates import NewRate, add_rates
from core.orders.asked_facts import spread_tax
from core.orders.orders import Order
from core.orders.owed import OwedSplits
from core.types import MarkKind, ToldMark
from core.views.ledger import ExplainedFacts, explain_order
from core.views.split_simulation import SplitReplay
from tests.buyers.desk import DAY, Desk, open_desk
from tests.buyers.people import refer, write_referrals
from tests.factories import NOW

DEVICE = [ToldMark(MarkKind.DEVICE, "d-1")]
REST = Rule("rest", CONSIGNOR, rest=True)
FEE = Rule("fee", CHANNEL, rate_ppm=100_000, when_short=Short.LOSS)
VIP = Rule("vip", OPERATOR, rate_ppm=50_000, when=Condition(segments=("vip",)))


async def facts_of(desk: Desk, order: Order) -> ExplainedFacts:
    async with desk.pool.acquire() as conn:
        (line,) = (await explain_order(conn, order.order_id)).lines
    return line.facts


async def rate(desk: Desk, value: str, at: datetime) -> None:
    async with desk.pool.acquire() as conn, conn.transaction():
        told = [NewRate("EUR", "USD", Fraction(value), at)]
        await add_rates(conn, told, source="bank", actor="test", now=NOW + 90 * DAY)


async def retry(desk: Desk, days: int = 1) -> int:
    owing = OwedSplits(desk.pool, Ledger(desk.pool))
    return await owing.retry({desk.terms.channel_id: desk.terms}, NOW + days * DAY)


async def test_who_is_brought_by_himself_pays_nobody_and_the_reason_stays_with_the_sale(pool: Pool) -> None:
    desk = await open_desk(pool, "referral", facts=FactTerms(keeps_marks=True))
    shop = desk.terms.name
    await desk.sell(10_000, buyer="bob", marks=DEVICE)
    await refer(pool, await desk.buyer("bob"), "cid")
    order = await desk.sell(10_000, referrer=f"{shop}/bob", at=NOW + DAY)
    assert (await facts_of(desk, order)).referrers == (f"{shop}/bob", "cid")
    again = await desk.sell(10_000, marks=DEVICE, at=NOW + DAY)
    facts = await facts_of(desk, again)
    assert facts.referrers == ()
    assert facts.left_out == (
        f"referrer of level 1, {shop}/bob: {shop}/bob and {shop}/ann have left the same device: it is likely"
        " one person",
        f"referrer of level 2, cid: is paid for whom {shop}/bob brings, who is left out",
    )
    assert not any("referrer" in name for name in await desk.entries(again))


async def test_a_second_level_in_a_ring_leaves_the_first_his_share(pool: Pool) -> None:
    desk = await open_desk(pool, "referral")
    ann, bob = await desk.buyer(), await desk.buyer("bob")
    await write_referrals(pool, [(ann, bob), (bob, ann)])
    facts = await facts_of(desk, await desk.sell(10_000, at=NOW + DAY))
    assert facts.referrers == ()
    assert "over 1 steps" not in facts.left_out[0]
    cid = await desk.buyer("cid")
    await write_referrals(pool, [(cid, ann)])
    facts = await facts_of(desk, await desk.sell(10_000, buyer="cid", at=NOW + DAY))
    assert facts.referrers == (ann.name, bob.name), "that ring is of others"


async def test_an_order_that_tells_another_referrer_is_served_and_the_refusal_kept(pool: Pool) -> None:
    desk = await open_desk(pool, "referral")
    await desk.sell(10_000, referrer="bob")
    order = await desk.sell(10_000, referrer="cid", times=4)
    assert (await facts_of(desk, order)).referrers == ("bob",)
    rows = await pool.fetch("SELECT referrer, reason FROM referral_refusal")
    assert [row["referrer"] for row in rows] == ["cid"]
    assert "was brought by bob" in rows[0]["reason"]


@pytest.mark.parametrize("referrer", ["x" * 500, "a\nb\0c", "   ", "himself"])
async def test_no_referrer_that_can_be_typed_keeps_an_order_from_its_codes(pool: Pool, referrer: str) -> None:
    desk = await open_desk(pool, "referral")
    name = f"{desk.terms.name}/ann" if referrer == "himself" else referrer
    order = await desk.sell(10_000, referrer=name)
    assert (await facts_of(desk, order)).referrers == ()
    assert await pool.fetchval("SELECT count(*) FROM referral_refusal") == 1


async def test_marks_are_kept_only_as_hashes_and_only_where_they_are_kept(pool: Pool) -> None:
    desk = await open_desk(pool, "referral")
    await desk.sell(10_000, marks=DEVICE)
    assert await pool.fetchval("SELECT count(*) FROM buyer_mark") == 0
    keeping = await open_desk(pool, "referral", facts=FactTerms(keeps_marks=True))
    empty = ToldMark(MarkKind.ADDRESS, " - ")
    await keeping.sell(10_000, marks=[*DEVICE, empty], times=3)
    async with pool.acquire() as conn:
        [(_, mark)] = await marks_of_people(conn, [(await keeping.buyer()).buyer_id])
    assert mark.kind is MarkKind.DEVICE
    assert b"d-1" not in mark.hash
    assert "d-1" not in repr(mark) + repr(DEVICE)


async def test_segments_are_those_of_the_moment_of_sale(pool: Pool) -> None:
    desk = await open_desk(pool, Plan("vips", (FEE, VIP, REST), currency="EUR"))
    async with pool.acquire() as conn:
        vip = Segment("vip", turnover_minor=5_000, currency="EUR", turnover_days=30, orders_from=1)
        await publish_segments(conn, [vip], NOW)
    first = await desk.sell(5_000, at=NOW - 10 * DAY)
    second = await desk.sell(2_000, at=NOW - DAY)
    tomorrow = await desk.sell(2_000, at=NOW + 60 * DAY)
    desk.clock.moment = NOW + 40 * DAY
    late = await desk.sell(2_000)
    found = [(await facts_of(desk, order)).segments for order in (first, second, tomorrow, late)]
    assert found == [(), ("vip",), ("vip",), ()], "nobody sells tomorrow: that order counts as of now"


async def test_a_cost_without_a_rate_is_owed_until_there_is_one(pool: Pool) -> None:
    desk = await open_desk(pool, "consignor-profit")
    await pool.execute("UPDATE shelf SET unit_cost_minor = 1080, currency = 'USD'")
    order = await desk.sell(2_000)
    assert "no rate from USD to EUR is known of 2026-11-21 12:00 UTC" in await desk.why_owed(order)
    await rate(desk, "1.08", NOW - 5 * DAY)
    assert await retry(desk, 1) == 0
    why = await desk.why_owed(order)
    assert "of 2026-11-16 12:00 UTC (bank), older than the 96 hours" in why
    assert "consignd rates set USD EUR RATE --at 2026-11-21T12:00:00" in why
    await rate(desk, "1.20", NOW + 30 * DAY)
    assert await retry(desk, 40) == 0, "a rate of later says nothing of the sale"
    await rate(desk, "1.08", NOW)
    assert await retry(desk, 41) == 1
    (cost,) = (await facts_of(desk, order)).costs
    assert (cost.cost, cost.unit_cost_minor, cost.source, cost.at) == ("10.80 USD", 1_000, "bank", NOW)
    assert (await desk.entries(order))["operator commission"] == -228


async def test_each_sale_is_converted_by_the_rate_of_its_moment(pool: Pool) -> None:
    desk = await open_desk(pool, "consignor-profit")
    await pool.execute("UPDATE shelf SET unit_cost_minor = 1080, currency = 'USD'")
    await rate(desk, "1.08", NOW - DAY)
    await rate(desk, "1.20", NOW - timedelta(hours=1))
    early, late = await desk.sell(2_000, at=NOW - timedelta(hours=2)), await desk.sell(2_000)
    found = [(await facts_of(desk, order)).costs[0].unit_cost_minor for order in (early, late)]
    assert found == [1_000, 900]


async def test_a_tax_that_nobody_tells_is_owed_and_told_of(pool: Pool) -> None:
    desk = await open_desk(pool, "taxed", facts=FactTerms(tax=(TaxRule(70_000, tags=("books",)),)))
    order = await desk.sell(11_900)
    assert "write one with its rate_percent, 0 where there is none" in await desk.why_owed(order)
    owed = Measure(Metric.SPLITS_OWED, after=timedelta(minutes=5))
    async with pool.acquire() as conn:
        (calm,) = await take_readings(conn, owed, View(NOW))
        (loud,) = await take_readings(conn, owed, View(NOW + timedelta(hours=1)))
    assert (calm.value, loud.value) == (0, 1)
    assert (loud.facts["oldest_seconds"], loud.facts["first_ref"]) == (3_600.0, order.order_ref)
    await pool.execute("UPDATE sku SET tags = '{books}'")
    assert await retry(desk) == 1
    facts = await facts_of(desk, order)
    assert (facts.tax_minor, facts.tax_from) == (779, "tax")


async def test_what_a_channel_told_first_of_a_tax_stays(pool: Pool) -> None:
    desk = await open_desk(pool, "taxed")
    order = await desk.sell(11_900, tax_minor=1_900, times=2)
    assert (await facts_of(desk, order)).tax_from == "told by the channel"
    with pytest.raises(asyncpg.PostgresError):
        await pool.execute("UPDATE told_tax SET tax_minor = 0")


async def test_another_plan_over_past_sales_is_told_the_same_facts(pool: Pool) -> None:
    desk = await open_desk(pool, Plan("plain", (FEE, REST), currency="EUR"))
    await pool.execute("UPDATE shelf SET unit_cost_minor = 1080, currency = 'USD'")
    await rate(desk, "1.08", NOW - DAY)
    await refer(pool, await desk.buyer(), "bob", NOW - DAY)
    await desk.sell(2_000)
    await desk.sell(2_000, buyer=None)
    async with pool.acquire() as conn:
        await publish_segments(conn, [Segment("vip", orders_to=5)], NOW)
    bob = Rule("bob", CHANNEL.parse("referrer-1"), rate_ppm=100_000)
    margin = Rule("margin", OPERATOR, base=Base.MARGIN, rate_ppm=500_000)
    tax = Rule("tax", CHANNEL.parse("budget:tax"), base=Base.TAX, rate_ppm=1_000_000)
    draft = Plan("draft", (FEE, bob, tax, VIP, margin, REST), currency="EUR")
    terms = {desk.terms.name: FactTerms(tax=(TaxRule(250_000),))}
    replay = SplitReplay(draft, NOW - DAY, terms)
    async with pool.acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
        assert [seen async for seen in replay.run(conn)] == [(0, 2), (2, 2)]
    found = replay.result()
    # 10 % of 20.00 each; 2.00 for bob; 4.00 of tax each; 1.00 for a vip; half of 20.00 - 2.00 - 10.00 each.
    assert {row.party: row.new_minor for row in found.parties} == {
        "channel": 400,
        "referrer-1": 200,
        "budget:tax": 800,
        "operator": 100 + 400 + 400,
        "consignor": 4_000 - 400 - 200 - 800 - 900,
    }
    assert dict(found.told) == {
        "belongs to vip": 1,
        "brought by a referrer of level 1": 1,
        "tax in the price": 2,
        "cost in another currency": 2,
    }


def listen(pool: Any, seen: list[str]) -> None:
    """Have every statement noted that the pool's connections send from now on."""
    for holder in pool._holders:
        if holder._con is not None:
            holder._con.add_query_logger(lambda record: seen.append(record.query))


async def test_a_plain_sale_asks_nothing_of_buyers_tax_or_rates(pool: Pool) -> None:
    desk = await open_desk(pool, Plan("plain", (FEE, REST), currency="EUR"))
    await desk.sell(2_000, marks=DEVICE, tax_minor=300)
    seen: list[str] = []
    listen(pool, seen)
    await desk.sell(2_000, marks=DEVICE, tax_minor=300)
    assert any("close_" in query or "journal" in query or "order_move" in query for query in seen), seen
    for word in ("buyer", "referral", "told_tax", "segment", "rate", "sale_facts", "names_of"):
        assert not [query for query in seen if f"FROM {word}" in query or f"INTO {word}" in query]
    assert await pool.fetchval("SELECT count(*) FROM buyer") == 0


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(0, 500), st.integers(0, 3))
def test_tax_is_spread_to_the_last_minor_unit(counts: list[int], tax_minor: int, short: int) -> None:
    codes = tuple(CodesOf(f"c{n}", count) for n, count in enumerate(counts))
    quantity = sum(counts) + short
    low_minor, spread = spread_tax(codes, tax_minor, quantity)
    taxes = [
        low_minor if each.unit_tax_minor is None else each.unit_tax_minor
        for each in spread
        for _ in range(each.quantity)
    ]
    assert len(taxes) == sum(counts)
    assert max(taxes) - min(taxes) <= 1
    assert (sum(taxes) == tax_minor) or short
    for owner in codes:
        assert sum(each.quantity for each in spread if each.consignor == owner.consignor) == owner.quantity


@given(st.integers(0, 10**12), st.integers(0, 1_000_000))
def test_tax_that_is_in_a_price_leaves_the_net_that_it_is_on(price: int, ppm: int) -> None:
    tax = TaxRule(ppm).unit_tax_minor(price)
    assert 0 <= tax <= price
    # The net times the rate is the tax, within the half minor unit that rounding takes.
    assert abs(Fraction(price) * ppm / (1_000_000 + ppm) - tax) <= Fraction(1, 2)
    assert TaxRule(ppm).unit_tax_minor(-price) == -tax
