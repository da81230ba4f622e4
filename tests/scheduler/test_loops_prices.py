"""Prices move by themselves: windows open, rates come in, rivals undercut; a dry run tells nobody."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest

from connectors.eneba import Eneba
from connectors.kit.contract import account_for
from connectors.kit.errors import AuthenticationFailed
from connectors.sandbox.eneba import EnebaSandbox
from core.money.money import Money
from core.money.rates import NewRate, add_rates
from core.offers.outbox import Outbox
from core.offers.preview import Preview, preview
from core.offers.price.book import PriceBook, PriceLayer
from core.offers.price.rule import Brake, Follow, RivalRule, Window
from core.offers.pricing.repricing import Repriced, Repricing, boundaries
from core.offers.pricing.stored_facts import ChangeTerms
from core.offers.stock.rules import StockPolicy
from core.offers.terms import ChannelTerms
from core.types import ListingRef
from core.views import prices
from scheduler.composition import utc_now
from scheduler.loops.push import Pusher
from scheduler.loops.reprice import Repricer
from scheduler.loops.watch import CompetitorWatch, FeeWatch
from tests.scheduler.bench import Bench, Stall, open_bench

HOUR = timedelta(hours=1)


@pytest.fixture
async def bench(dsn: str, tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench(dsn, tmp_path, codes=10) as opened:
        yield opened


@dataclass(slots=True)
class Clock:
    """A clock that is moved by hand."""

    at: datetime

    def __call__(self) -> datetime:
        return self.at


class Pushing:
    """The stall's channel under other terms: its outbox, its pusher, its recalculation."""

    def __init__(self, bench: Bench, clock: Clock, terms: ChannelTerms) -> None:
        self.bench, self.clock, self.terms = bench, clock, terms
        self.outbox = Outbox(bench.core.pool, {terms.channel_id: terms}, StockPolicy(), clock)
        self.repricing = Repricing(bench.core.pool, terms)

    async def push(self) -> None:
        await self.bench.make_due()
        connector = self.bench.stall.connector
        await Pusher(self.outbox, self.terms, connector, connector.traits).push()

    async def recalculate(self) -> Repriced:
        return await self.repricing.all(self.clock())

    def shown_minor(self) -> int:
        return self.bench.stall.connector.shown[self.bench.stall.listing_ref].price.amount_minor

    async def preview(self) -> Preview:
        found = [each async for each in preview(self.bench.core.pool, self.outbox, self.terms, self.clock())]
        assert len(found) == 1
        return found[0]


def under(bench: Bench, layer: PriceLayer, clock: Clock | None = None, **said: object) -> Pushing:
    terms = replace(bench.stall.terms, price=PriceBook(channel=layer), **said)  # type: ignore[arg-type]
    return Pushing(bench, clock or Clock(utc_now()), terms)


def sale(start: datetime, until: datetime, price_minor: int = 1900) -> PriceLayer:
    return PriceLayer(windows=(Window("flash", start, until, Money(price_minor, "EUR")),))


async def test_a_window_that_opens_and_closes_is_published_and_taken_back(bench: Bench) -> None:
    clock = Clock(utc_now())
    channel = under(bench, sale(clock.at + HOUR, clock.at + 2 * HOUR), clock)
    await channel.push()
    usual = channel.shown_minor()
    assert await channel.recalculate() == Repriced(1, 0)
    for hours, shown_minor in ((1, 1900), (1, usual)):
        clock.at += hours * HOUR
        assert await channel.recalculate() == Repriced(1, 1)
        await channel.push()
        assert channel.shown_minor() == shown_minor
        assert await channel.recalculate() == Repriced(1, 0)


async def test_the_loop_goes_round_at_a_rules_beginning_and_not_before(bench: Bench) -> None:
    clock = Clock(utc_now())
    channel = under(bench, sale(clock.at + HOUR, clock.at + 2 * HOUR), clock)
    await channel.push()
    woken: list[int] = []
    repricer = Repricer(
        bench.core.pool, channel.terms, clock, lambda: woken.append(1), every_seconds=1_000_000
    )
    await repricer.reprice()
    clock.at += HOUR / 2
    await repricer.reprice()
    assert not woken
    clock.at += HOUR / 2
    await repricer.reprice()
    assert woken == [1]
    assert boundaries(channel.terms.price) == [clock.at, clock.at + HOUR]


async def test_a_new_rate_moves_prices_at_once(bench: Bench) -> None:
    clock = Clock(utc_now())
    pool = bench.core.pool
    await pool.execute("UPDATE sku_price SET currency = 'USD'")
    channel = under(bench, PriceLayer(), clock)
    await tell_rate(bench, "0.9", clock.at - HOUR)
    await channel.push()
    before = channel.shown_minor()
    woken: list[int] = []
    repricer = Repricer(pool, channel.terms, clock, lambda: woken.append(1), every_seconds=1_000_000)
    await repricer.reprice()
    assert not woken
    await tell_rate(bench, "0.8", clock.at)
    await repricer.reprice()
    assert woken
    await channel.push()
    assert channel.shown_minor() < before


async def tell_rate(bench: Bench, rate: str, at: datetime) -> None:
    async with bench.core.pool.acquire() as conn, conn.transaction():
        told = NewRate("USD", "EUR", Fraction(rate), at)
        await add_rates(conn, [told], source="test", actor="test", now=at)


async def test_what_the_channel_refuses_is_not_marked_again_and_again(bench: Bench) -> None:
    channel = under(bench, PriceLayer())
    await channel.push()
    await bench.core.pool.execute("UPDATE offer SET published_price_minor = 1, refusal = 'too dear'")
    assert await channel.recalculate() == Repriced(1, 0)
    planned = await channel.preview()
    assert not planned.sends
    assert "the channel refused it (too dear)" in planned.kept_back[0]


async def test_recalculating_takes_no_lock_and_waits_for_none(bench: Bench) -> None:
    channel = under(bench, PriceLayer())
    await channel.push()
    async with bench.core.pool.acquire() as conn, conn.transaction():
        await conn.execute("SELECT FROM offer FOR UPDATE")
        assert await channel.recalculate() == Repriced(1, 0)
        assert (await channel.preview()).sends is False


async def test_a_dry_run_works_everything_out_and_tells_and_promises_nothing(bench: Bench) -> None:
    channel = under(bench, PriceLayer(), dry_run=True)
    await channel.push()
    assert bench.stall.connector.told == []
    row = await bench.core.pool.fetchrow(
        "SELECT wanted_quantity, wanted_price_minor, telling_quantity, dirty_version - acked_version"
        " FROM offer"
    )
    assert row is not None
    assert row[0] == 10
    assert row[1] > 0
    assert (row[2], row[3]) == (None, 0)
    for table in ("promise", "price_change"):
        assert await bench.core.pool.fetchval(f"SELECT count(*) FROM {table}") == 0
    planned = await channel.preview()
    assert (planned.quantity_to, planned.sends) == (10, False)
    assert "dry_run is true" in planned.kept_back[0]


async def test_a_plan_says_what_goes_out_and_writes_nothing(bench: Bench) -> None:
    channel = under(bench, PriceLayer())
    await channel.outbox.collect(channel.terms.channel_id)
    before = await bench.core.pool.fetch("SELECT * FROM offer")
    planned = await channel.preview()
    assert (planned.quantity_from, planned.quantity_to, planned.price_from_minor) == (None, 10, None)
    assert planned.sends
    assert planned.sends_price
    assert planned.kept_back == ()
    assert await bench.core.pool.fetch("SELECT * FROM offer") == before
    await channel.push()
    assert not (await channel.preview()).sends


async def test_a_plan_tells_of_a_price_that_the_brake_holds_and_people_are_asked(bench: Bench) -> None:
    channel = under(bench, PriceLayer(brake=Brake(step_ppm=50_000)))
    await channel.push()
    before = channel.shown_minor()
    await bench.core.pool.execute("UPDATE sku_price SET base_price_minor = 4000")
    assert await channel.recalculate() == Repriced(1, 1)
    await channel.push()
    assert channel.shown_minor() == before
    [kept] = (await channel.preview()).kept_back
    assert "is held" in kept
    async with bench.core.pool.acquire() as conn:
        [hold] = await prices.holds(conn)
    assert (hold.from_minor, hold.verdict) == (before, None)
    assert await channel.recalculate() == Repriced(1, 0)


async def test_a_plan_tells_of_a_budget_that_is_spent(bench: Bench) -> None:
    channel = under(bench, PriceLayer(), changes=ChangeTerms(free_per_day=1))
    await channel.push()
    for base in (2500, 3000):
        await bench.core.pool.execute("UPDATE sku_price SET base_price_minor = $1", base)
        await channel.recalculate()
        await channel.push()
    changes = await bench.core.pool.fetchval("SELECT count(*) FROM price_change WHERE was_minor IS NOT NULL")
    assert changes == 1
    [kept] = (await channel.preview()).kept_back
    assert "no free change is left" in kept
    channel.clock.at += timedelta(days=1, seconds=1)
    assert await channel.recalculate() == Repriced(1, 1), "a day later there is a free one again"


# Rivals, at a marketplace that tells of them.


@asynccontextmanager
async def eneba_market(stall: Stall) -> AsyncIterator[tuple[EnebaSandbox, Eneba]]:
    async with EnebaSandbox() as market:
        market.add_listing(stall.listing_ref, "SKU", quantity=5, price_minor=2500)
        async with Eneba.open(account_for(market)) as connector:
            yield market, connector


def following(bench: Bench) -> Pushing:
    rule = RivalRule(follow=Follow.UNDERCUT, step_minor=1, below_ppm=500_000)
    return under(bench, PriceLayer(rival=rule))


async def test_a_rival_who_undercuts_is_seen_and_answered(bench: Bench) -> None:
    channel, woken = following(bench), list[int]()
    await channel.push()
    async with eneba_market(bench.stall) as (market, connector):
        rival = market.rivals.add("SKU", "rival", 2000)
        watch = CompetitorWatch(
            bench.core.pool, channel.terms, connector, channel.clock, lambda: woken.append(1), 600
        )
        await watch.watch()
        assert woken == [1]
        await channel.push()
        assert channel.shown_minor() == 1999
        served = market.door.requests_served
        await watch.watch()
        assert market.door.requests_served == served, "looked at a moment ago"
        rival.price_minor = 2000
        channel.clock.at += timedelta(minutes=11)
        await watch.watch()
        assert woken == [1], "nothing changed, so nothing is worked out again"


async def test_listings_without_a_rule_on_rivals_are_not_looked_at(bench: Bench) -> None:
    channel = under(bench, PriceLayer())
    async with eneba_market(bench.stall) as (market, connector):
        watch = CompetitorWatch(bench.core.pool, channel.terms, connector, channel.clock, lambda: None, 600)
        await watch.watch()
        assert market.door.requests_served == 0


async def test_a_look_that_fails_is_made_again_later(bench: Bench) -> None:
    channel = following(bench)
    async with eneba_market(bench.stall) as (market, connector):
        market.rivals.add("SKU", "rival", 2000)
        watch = CompetitorWatch(bench.core.pool, channel.terms, connector, channel.clock, lambda: None, 600)
        market.door.address_allowed = False
        with pytest.raises(AuthenticationFailed):
            await watch.watch()
        market.door.address_allowed = True
        assert await bench.core.pool.fetchval("SELECT count(*) FROM sighting") == 0
        await watch.watch()
        assert await bench.core.pool.fetchval("SELECT count(*) FROM sighting") == 2


async def test_a_listing_that_the_marketplace_does_not_know_is_noted_and_waits(bench: Bench) -> None:
    channel = following(bench)
    async with EnebaSandbox() as market, Eneba.open(account_for(market)) as connector:
        watch = CompetitorWatch(bench.core.pool, channel.terms, connector, channel.clock, lambda: None, 600)
        await watch.watch()
        detail = await bench.core.pool.fetchval("SELECT detail FROM competitor_look")
        assert "not among this account's auctions" in detail


async def test_the_channels_calculator_corrects_our_plan(bench: Bench) -> None:
    channel = under(bench, PriceLayer())
    await channel.push()
    before = channel.shown_minor()
    async with eneba_market(bench.stall) as (market, connector):
        await FeeWatch(bench.core.pool, channel.terms, connector, channel.clock).quote()
        keeps = market.terms.commission_minor(before)
    assert keeps != before // 10, "the sandbox charges something else than our plan says"
    assert await channel.recalculate() == Repriced(1, 1)
    await channel.push()
    assert channel.shown_minor() != before


async def test_a_listing_without_a_quote_does_not_keep_the_others_from_theirs(bench: Bench) -> None:
    channel = under(bench, PriceLayer())
    await channel.push()
    async with EnebaSandbox() as market, Eneba.open(account_for(market)) as connector:
        fees = FeeWatch(bench.core.pool, channel.terms, connector, channel.clock)
        await fees.quote()
        served = market.door.requests_served
        await fees.quote()
        assert market.door.requests_served == served
        market.add_listing(ListingRef("other"), "SKU")
