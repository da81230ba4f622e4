"""The guard on real rows: what counts once, what closes and opens, and several daemons that do it at once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from core.db.pool import Pool
from core.errors import InvalidInput
from core.money.ledger import publish_plan
from core.money.plans.rules import CONSIGNOR
from core.offers.closures.closed import closed_by, read_closures
from core.offers.closures.guard import GuardRule
from core.offers.closures.guarding import Guard
from core.offers.terms import ChannelTerms
from core.types import Asked, CountedOver, Formula, ListingRef, OrderRef, PenaltyLine
from tests.factories import NOW, Shop, add_listing, add_shop, terms_of
from tests.plain_plans import plain_plan, plain_rule

BOTH = (CountedOver.LISTING, CountedOver.CHANNEL)
RATIO = PenaltyLine(Asked.PROVIDE, Formula.LOG_RATIO, 0.2, 3600, BOTH)
STREAK = PenaltyLine(Asked.PROVIDE, Formula.STREAK, 3, 0)
PLAN = plain_plan("test", 1, [plain_rule(CONSIGNOR, rest=True)])


class Clock:
    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> datetime:
        self.at += timedelta(milliseconds=1)
        return self.at


class Case:
    """A guarded channel with one listing."""

    def __init__(self, pool: Pool, shop: Shop, terms: ChannelTerms) -> None:
        self.pool, self.shop, self.terms = pool, shop, terms
        self.clock = Clock()
        self.guard = Guard(pool, self.clock)
        self._orders = 0

    async def happen(self, ok: bool, order_ref: str | None = None, shop: Shop | None = None) -> None:
        """A provision of a listing that ended so."""
        self._orders += 1
        ref = OrderRef(order_ref or f"order-{self._orders}")
        refs = [ListingRef((shop or self.shop).listing_ref)]
        if ok:
            self.guard.completed(self.terms, Asked.PROVIDE, ref, refs)
            await self.guard.write()
        else:
            await self.guard.failed(self.terms, Asked.PROVIDE, ref, refs)

    async def closed(self, shop: Shop | None = None) -> str | None:
        """Why planning would keep a listing off."""
        own = shop or self.shop
        async with self.pool.acquire() as conn:
            closures = await read_closures(conn, [own.sku_id], [own.listing_id])
        return closed_by(closures, own.channel_id, own.sku_id, own.listing_id, enabled=True)


async def open_case(pool: Pool, *lines: PenaltyLine) -> Case:
    shop = await add_shop(pool, codes=5)
    async with pool.acquire() as conn, conn.transaction():
        plan_id, plan = await publish_plan(conn, PLAN)
    guard = GuardRule(lines, least_closed=timedelta(minutes=1))
    return Case(pool, shop, replace(terms_of(shop.channel_id, shop.channel, plan_id, plan), guard=guard))


async def dirty(pool: Pool, listing_id: int) -> tuple[bool, bool]:
    row = await pool.fetchrow(
        "SELECT urgent, dirty_version > 1 AS dirty FROM offer WHERE listing_id = $1", listing_id
    )
    assert row is not None
    return row["urgent"], row["dirty"]


async def test_a_failure_that_comes_near_closes_and_the_window_that_passes_opens(pool: Pool) -> None:
    case = await open_case(pool, RATIO)
    await case.happen(True)
    assert await case.closed() is None
    await case.happen(False)
    why = await case.closed()
    assert why is not None
    assert why.startswith("closed by the guard: 1 of 2 provide failed")
    assert await dirty(pool, case.shop.listing_id) == (True, True)
    case.clock.at += timedelta(minutes=59)
    assert await case.guard.watch(case.terms) == []
    case.clock.at += timedelta(minutes=2)
    changes = await case.guard.watch(case.terms)
    assert {(change.listing_id, change.closed) for change in changes} == {
        (None, False),
        (case.shop.listing_id, False),
    }
    assert await case.closed() is None


async def test_enough_completions_keep_a_failure_harmless(pool: Pool) -> None:
    case = await open_case(pool, RATIO)
    for _ in range(60):
        case.guard.completed(
            case.terms, Asked.PROVIDE, OrderRef(f"good-{_}"), [ListingRef(case.shop.listing_ref)]
        )
    await case.happen(False)
    assert await case.closed() is None


async def test_an_order_counts_once_and_is_mended_by_a_later_success(pool: Pool) -> None:
    case = await open_case(pool, STREAK)
    for _ in range(5):
        await case.happen(False, "one")
    assert await case.closed() is None
    await case.happen(False, "two")
    assert await case.closed() is not None
    case.clock.at += timedelta(minutes=2)
    await case.happen(True, "one")
    await case.guard.watch(case.terms)
    assert await case.closed() is None
    rows = await pool.fetch("SELECT order_ref, ok FROM guard_outcome ORDER BY order_ref")
    assert [(row["order_ref"], row["ok"]) for row in rows] == [("one", True), ("two", False)]


async def test_failures_in_a_row_without_a_window_wait_for_a_person(pool: Pool) -> None:
    case = await open_case(pool, STREAK)
    await case.happen(False)
    await case.happen(False)
    case.clock.at += timedelta(days=30)
    await case.guard.watch(case.terms)
    await case.guard.drop_old()
    assert await case.closed() is not None
    opened = await case.guard.reopen(case.shop.channel, None, actor="anna", reason="the key is back")
    assert opened == 1
    assert await case.closed() is None
    await case.guard.watch(case.terms)
    assert await case.closed() is None
    await case.happen(False)
    assert await case.closed() is None
    with pytest.raises(InvalidInput, match="closed nothing"):
        await case.guard.reopen(case.shop.channel, None, actor="anna", reason="again")


async def test_one_listing_is_closed_and_the_others_are_not(pool: Pool) -> None:
    case = await open_case(pool, STREAK)
    other_id = await add_listing(pool, case.shop.channel_id, case.shop.sku_id)
    other = replace(case.shop, listing_id=other_id)
    await case.happen(False)
    await case.happen(False)
    assert await case.closed() is not None
    assert await case.closed(other) is None
    # Its SKU's other listings may be shown more now.
    assert await dirty(pool, other_id) == (False, True)


async def test_failures_spread_over_listings_close_the_whole_channel(pool: Pool) -> None:
    case = await open_case(pool, replace(RATIO, over=(CountedOver.CHANNEL,)))
    await case.happen(False)
    other_id = await add_listing(pool, case.shop.channel_id, case.shop.sku_id)
    assert await case.closed(replace(case.shop, listing_id=other_id)) is not None


async def test_daemons_that_note_and_judge_at_once_close_once(pool: Pool) -> None:
    case = await open_case(pool, RATIO)
    guards = [Guard(pool, case.clock) for _ in range(4)]
    refs = [ListingRef(case.shop.listing_ref)]
    await asyncio.gather(
        *(
            guard.failed(case.terms, Asked.PROVIDE, OrderRef(f"order-{n % 3}"), refs)
            for n, guard in enumerate(guards * 5)
        )
    )
    trips: int = await pool.fetchval("SELECT count(*) FROM guard_trip")
    outcomes: int = await pool.fetchval("SELECT count(*) FROM guard_outcome")
    assert (trips, outcomes) == (2, 3)


async def test_a_listing_that_is_not_ours_counts_for_the_channel_only(pool: Pool) -> None:
    case = await open_case(pool, RATIO)
    await case.guard.failed(case.terms, Asked.PROVIDE, OrderRef("x"), [ListingRef("nobody's")])
    rows = await pool.fetch("SELECT listing_id FROM guard_trip")
    assert [row["listing_id"] for row in rows] == [None]


async def test_what_no_line_counts_is_not_written(pool: Pool) -> None:
    case = await open_case(pool, RATIO)
    await case.guard.failed(case.terms, Asked.RESERVE, OrderRef("x"), [ListingRef(case.shop.listing_ref)])
    case.guard.completed(case.terms, Asked.DELIVER, OrderRef("x"))
    await case.guard.write()
    assert await pool.fetchval("SELECT count(*) FROM guard_outcome") == 0


async def test_outcomes_behind_every_window_are_forgotten_but_the_last_completion(pool: Pool) -> None:
    case = await open_case(pool, RATIO, STREAK)
    for ok in (True, False, True, True):
        await case.happen(ok)
    case.clock.at += timedelta(days=3)
    await case.guard.drop_old()
    assert await pool.fetchval("SELECT count(*) FROM guard_outcome") == 1


async def test_while_the_database_is_away_outcomes_wait(pool: Pool) -> None:
    case = await open_case(pool, RATIO)
    guard = Guard(pool, case.clock)
    async with pool.acquire() as conn:
        await conn.execute("ALTER TABLE guard_outcome RENAME TO away")
        assert (
            await guard.failed(case.terms, Asked.PROVIDE, OrderRef("x"), [ListingRef(case.shop.listing_ref)])
            == []
        )
        await conn.execute("ALTER TABLE away RENAME TO guard_outcome")
    assert len(await guard.watch(case.terms)) == 2
