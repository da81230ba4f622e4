"""Shows that rules, measured sales and lags reach what is told, and under which bound it was promised."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from core.codes.allocator import Allocator
from core.db.pool import Pool
from core.money.money import Money
from core.money.plans.rules import CONSIGNOR
from core.offers.catalogue import NewSku, add_sku, find_sku, tag_sku
from core.offers.matching import SkuMatch
from core.offers.outbox import Outbox
from core.offers.sku_facts import read_stocks
from core.offers.stock.rules import RiskBuffer, SkuRule, StockPolicy, StockRule
from core.offers.terms import ChannelTerms
from core.types import ChannelId
from tests.factories import NOW, Shop, add_channel, add_codes, add_listing, add_shop, terms_of
from tests.plain_plans import plain_plan, plain_rule

PLAN = plain_plan("all", 1, [plain_rule(CONSIGNOR, rest=True)])


class Clock:
    """The time of one test."""

    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> datetime:
        return self.at


def terms_for(shop: Shop) -> ChannelTerms:
    return terms_of(shop.channel_id, shop.channel, 1, PLAN)


async def tell(outbox: Outbox, channel_id: ChannelId) -> list[int]:
    """Claim what is dirty and have it acknowledged; the quantities told."""
    claim = await outbox.claim(channel_id, 100)
    await outbox.settle(claim.plans, [], [])
    return [plan.quantity for plan in claim.plans]


async def test_a_tag_brings_a_sku_under_a_rule_and_the_promise_keeps_its_bound(pool: Pool) -> None:
    shop, allocator = await add_shop(pool, codes=10), Allocator(pool, lambda: NOW)
    steam = SkuRule(SkuMatch(tags=frozenset({"steam"})), StockRule(share_ppm=500_000, bound_permille=1500))
    outbox = Outbox(pool, {shop.channel_id: terms_for(shop)}, StockPolicy(by_sku=(steam,)), lambda: NOW)
    assert await tell(outbox, shop.channel_id) == [10]
    sku_ref = await pool.fetchval("SELECT sku_ref FROM sku WHERE sku_id = $1", shop.sku_id)
    async with pool.acquire() as conn, conn.transaction():
        assert await tag_sku(conn, await find_sku(conn, sku_ref), allocator, add=["steam"]) == ("steam",)
    assert await outbox.collect(shop.channel_id) == 1
    assert await tell(outbox, shop.channel_id) == [5]
    rows = await pool.fetch("SELECT quantity, bound_permille FROM promise ORDER BY promise_id")
    assert [tuple(row) for row in rows] == [(10, 1000), (5, 1500)]


async def test_the_buffer_follows_measured_sales_and_lags_and_is_looked_at_again_as_they_fade(
    pool: Pool,
) -> None:
    shop, clock = await add_shop(pool, codes=50), Clock()
    other = await add_channel(pool)
    await add_listing(pool, other, shop.sku_id)
    risk = StockPolicy(StockRule(buffer=RiskBuffer(0.001, 5.0), bound_permille=2000))
    terms = {shop.channel_id: terms_for(shop), other: terms_of(other, "other", 1, PLAN)}
    outbox = Outbox(pool, terms, risk, clock)
    assert await tell(outbox, shop.channel_id) == [50]
    await pool.execute(
        "INSERT INTO selling (sku_id, channel_id, quick_units, slow_units, slow_lines, counted_at,"
        " first_sold_at, last_sold_at) VALUES ($1, $2, 600, 600, 600, $3, $3, $3)",
        shop.sku_id,
        other,
        NOW,
    )
    clock.at += timedelta(minutes=16)
    assert await outbox.collect_expired(terms[shop.channel_id]) == 1
    (fast,) = await tell(outbox, shop.channel_id)
    assert fast < 50
    await pool.execute(
        "INSERT INTO channel_lag (channel_id, buckets, weights, measured_at) VALUES ($1, '{80}', '{1}', $2)",
        shop.channel_id,
        NOW,
    )
    clock.at += timedelta(minutes=16)
    await outbox.collect_expired(terms[shop.channel_id])
    (late,) = await tell(outbox, shop.channel_id)
    assert late < fast
    plans = await outbox.plan([shop.sku_id])
    why = {plan.row.channel_id: [step.why for step in plan.steps if step.rule == "buffer"] for plan in plans}
    assert "the measured lag" in why[shop.channel_id][0]
    # Nothing is sold elsewhere than on the other channel, so that keeps nothing back.
    assert why[other] == []


async def test_a_sku_comes_under_another_rule_when_its_codes_grow_old(pool: Pool) -> None:
    shop, clock = await add_shop(pool), Clock()
    await add_codes(pool, shop.sku_id, 5, expires_at=NOW + timedelta(days=31))
    old = SkuRule(SkuMatch(validity_below=timedelta(days=30)), StockRule(on=False, label="old"))
    terms = terms_for(shop)
    outbox = Outbox(pool, {shop.channel_id: terms}, StockPolicy(by_sku=(old,)), clock)
    await outbox.collect_expired(terms)
    assert await tell(outbox, shop.channel_id) == [5]
    clock.at += timedelta(days=2)
    assert await outbox.collect_expired(terms) == 1
    claim = await outbox.claim(shop.channel_id, 10)
    assert [(plan.quantity, plan.steps[-1].source) for plan in claim.plans] == [(0, "stock.on [old]")]


async def test_a_listing_of_its_own_rule_shows_what_that_says(pool: Pool) -> None:
    shop = await add_shop(pool, codes=9)
    listing_ref = await pool.fetchval("SELECT listing_ref FROM listing")
    own = {listing_ref: StockRule(cap=4, place="channels.a.listings.1.stock")}
    terms = replace(terms_for(shop), listing_stock=own)
    outbox = Outbox(pool, {shop.channel_id: terms}, StockPolicy(StockRule(cap=7)), lambda: NOW)
    assert await tell(outbox, shop.channel_id) == [4]


async def test_facts_are_read_for_many_skus_at_once_as_they_were_added(pool: Pool) -> None:
    async with pool.acquire() as conn:
        new = NewSku("A", "Card", "Steam", "gift card", "EU", Money(2000, "EUR"), ("b", "a", "b"))
        first, second = await add_sku(conn, new, 1), await add_sku(conn, NewSku("B"), 1)
        found = await read_stocks(conn, [first.sku_id, second.sku_id], NOW)
    facts = found[first.sku_id].facts
    assert (facts.tags, facts.brand, facts.region) == (frozenset({"a", "b"}), "Steam", "EU")
    assert facts.face_value == Money(2000, "EUR")
    assert found[second.sku_id].facts.face_value is None
    assert found[second.sku_id].selling.total() == 0


async def test_a_policy_written_anew_has_everything_worked_out_again_once(pool: Pool) -> None:
    shop = await add_shop(pool, codes=10)
    all_terms = {shop.channel_id: terms_for(shop)}
    old = Outbox(pool, all_terms, StockPolicy(), lambda: NOW)
    assert await old.follow_terms(shop.channel_id)
    assert await tell(old, shop.channel_id) == [10]
    assert not await old.follow_terms(shop.channel_id)
    new = Outbox(pool, all_terms, StockPolicy(StockRule(cap=7)), lambda: NOW)
    assert await tell(new, shop.channel_id) == [], "nobody has said that anything is new"
    assert await new.follow_terms(shop.channel_id)
    assert await tell(new, shop.channel_id) == [7]
    assert not await new.follow_terms(shop.channel_id)


async def test_terms_of_a_channel_written_anew_concern_its_offers_alone(pool: Pool) -> None:
    shop = await add_shop(pool, codes=10)
    other = await add_channel(pool, "other")
    all_terms = {shop.channel_id: terms_for(shop), other: terms_of(other, "other", 1, PLAN)}
    outbox = Outbox(pool, all_terms, StockPolicy(), lambda: NOW)
    assert [await outbox.follow_terms(channel_id) for channel_id in all_terms] == [True, True]
    slower = replace(all_terms[other], hold=timedelta(minutes=1))
    changed = Outbox(pool, {**all_terms, other: slower}, StockPolicy(), lambda: NOW)
    assert [await changed.follow_terms(channel_id) for channel_id in all_terms] == [False, True]
