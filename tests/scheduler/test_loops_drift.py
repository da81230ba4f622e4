"""What the reconcile loop makes of drift: repaired, kept, asked, left, and a fight that is not joined."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from core.db.pool import Pool, Record
from core.errors import InvalidInput
from core.money.money import Money
from core.offers.drift.judging import DriftRule, Kind, Policy, What
from core.offers.drift.reconciling import Reconciliation
from core.offers.outbox import Outbox
from core.offers.stock.rules import StockPolicy
from core.types import ListingRef, OfferObserved
from core.views.drift import adopted, drifts
from scheduler.composition import utc_now
from scheduler.loops.push import Pusher
from scheduler.loops.reconcile import Reconciler
from tests.scheduler.bench import Bench, Stall, open_bench

RULES: Mapping[str, DriftRule] = {
    "adopt": DriftRule({(what, Kind.EDITED): Policy.ADOPT for what in What}),
    "ask": DriftRule({(what, Kind.EDITED): Policy.ASK for what in What}),
    "rough": DriftRule(price_step_minor=100),
    "fight": DriftRule(fight_after=2, first_wait=timedelta(hours=1), longest_wait=timedelta(hours=1)),
}


class Clock:
    """The loop's clock, which the test moves on."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return utc_now() + self.ahead


@pytest.fixture
async def bench(dsn: str, tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench(dsn, tmp_path, codes=10) as bench:
        yield bench


class Shop:
    """The bench's one stall under a rule for its drift, driven by hand."""

    def __init__(self, bench: Bench, rule: DriftRule) -> None:
        self.pool: Pool = bench.core.pool
        self.clock = Clock()
        self.stall = Stall(
            replace(bench.stall.terms, drift=rule), bench.stall.connector, bench.stall.listing_ref
        )
        terms = self.stall.terms
        self._outbox = Outbox(self.pool, {terms.channel_id: terms}, StockPolicy(), self.clock)
        self.compared = Reconciliation(self.pool, self.clock)
        connector = self.stall.connector
        self._pusher = Pusher(self._outbox, terms, connector, connector.traits)
        self._reconciler = Reconciler(
            self._outbox, self.compared, terms, connector, self.clock, None, lambda: None
        )

    async def push(self) -> None:
        await self._pusher.push()

    async def look(self) -> None:
        """Reconcile and push, some time later."""
        self.clock.ahead += timedelta(minutes=5)
        await self._reconciler.reconcile()
        await self.push()

    def edit(self, **changes: object) -> None:
        shown = self.stall.connector.shown
        ref = self.stall.listing_ref
        shown[ref] = replace(shown[ref], **changes)  # type: ignore[arg-type]

    @property
    def quantity(self) -> int:
        offer = self.stall.connector.shown[self.stall.listing_ref]
        return offer.quantity if offer.on else 0

    @property
    def price_minor(self) -> int:
        return self.stall.connector.shown[self.stall.listing_ref].price.amount_minor

    async def waiting(self) -> list[int]:
        async with self.pool.acquire() as conn:
            found = await drifts(conn, channel=None, only_waiting=True, limit=10)
        return [drift.drift_id for drift in found]

    async def kept(self) -> dict[str, int]:
        async with self.pool.acquire() as conn:
            return {kept.what: kept.amount for kept in await adopted(conn, channel=None, limit=10)}

    async def rows(self) -> list[Record]:
        return await self.pool.fetch("SELECT what, kind, action, asks FROM drift ORDER BY drift_id")


async def open_shop(bench: Bench, rule: str) -> Shop:
    shop = Shop(bench, RULES[rule])
    await shop.push()
    assert shop.quantity == 10
    return shop


async def test_a_price_that_is_adopted_stays_until_it_is_cleared(bench: Bench) -> None:
    shop = await open_shop(bench, "adopt")
    wanted = shop.price_minor
    shop.edit(price=Money(wanted + 700, "EUR"))
    for _ in range(3):
        await shop.look()
        assert shop.price_minor == wanted + 700
    assert await shop.kept() == {"price": wanted + 700}
    cleared = await shop.compared.clear("stall-0", shop.stall.listing_ref, actor="anna", reason="enough")
    assert cleared == [What.PRICE]
    await shop.push()
    assert shop.price_minor == wanted


async def test_a_price_under_the_floor_is_not_adopted(bench: Bench) -> None:
    shop = await open_shop(bench, "adopt")
    shop.edit(price=Money(1, "EUR"))
    await shop.look()
    await shop.look()
    floor = shop.price_minor
    assert floor > 1
    assert await shop.kept() == {"price": 1}


async def test_a_smaller_quantity_is_kept_and_a_larger_one_never(bench: Bench) -> None:
    shop = await open_shop(bench, "adopt")
    shop.edit(quantity=3)
    await shop.look()
    assert (shop.quantity, await shop.kept()) == (3, {"quantity": 3})
    shop.edit(quantity=9)
    await shop.look()
    assert shop.quantity == 3


async def test_what_is_asked_stays_as_it_is_shown_until_a_person_says(bench: Bench) -> None:
    shop = await open_shop(bench, "ask")
    wanted = shop.price_minor
    shop.edit(price=Money(wanted + 100, "EUR"), quantity=4)
    for _ in range(3):
        await shop.look()
    assert (shop.price_minor, shop.quantity) == (wanted + 100, 4)
    [first, second] = await shop.waiting()
    for drift_id in (first, second):
        with pytest.raises(InvalidInput, match="repair or adopt"):
            await shop.compared.decide(drift_id, "dismiss", actor="anna", reason="no")
        await shop.compared.decide(drift_id, "repair", actor="anna", reason="ours is right")
    await shop.push()
    assert (shop.price_minor, shop.quantity) == (wanted, 10)
    assert await shop.waiting() == []
    with pytest.raises(InvalidInput, match="no such question"):
        await shop.compared.decide(first, "repair", actor="anna", reason="again")


async def test_a_question_answered_with_adopt_is_kept_by_that_persons_name(bench: Bench) -> None:
    shop = await open_shop(bench, "ask")
    shop.edit(on=False)
    await shop.look()
    [drift_id] = await shop.waiting()
    await shop.compared.decide(drift_id, "adopt", actor="anna", reason="the page is being redone")
    await shop.look()
    assert shop.quantity == 0
    why: str = await shop.pool.fetchval("SELECT why::text FROM offer")
    assert "anna" in why
    audit: int = await shop.pool.fetchval("SELECT count(*) FROM audit WHERE action = 'drift adopt'")
    assert audit == 1


async def test_rounding_is_not_fought(bench: Bench) -> None:
    shop = await open_shop(bench, "rough")
    wanted = shop.price_minor
    told = len(shop.stall.connector.told)
    shop.edit(price=Money(wanted + 99, "EUR"))
    for _ in range(4):
        await shop.look()
    assert shop.price_minor == wanted + 99
    assert len(shop.stall.connector.told) == told
    assert await shop.rows() == []


async def test_another_bot_is_not_raced_and_a_person_hears_of_it(bench: Bench) -> None:
    shop = await open_shop(bench, "fight")
    wanted = shop.price_minor
    repaired = 0
    for _ in range(20):
        shop.edit(price=Money(wanted - 100, "EUR"))
        await shop.look()
        repaired += shop.price_minor == wanted
    # Twice at once, then once an hour; the twenty looks take an hour and forty minutes.
    assert repaired == 3
    [drift_id] = await shop.waiting()
    times: int = await shop.pool.fetchval("SELECT times FROM drift WHERE drift_id = $1", drift_id)
    assert times == 18
    await shop.compared.decide(drift_id, "repair", actor="anna", reason="the other bot is off")
    await shop.look()
    assert shop.price_minor == wanted


async def test_a_listing_nobody_knows_is_written_down_once(bench: Bench) -> None:
    shop = await open_shop(bench, "adopt")
    shown = shop.stall.connector.shown
    shown[ListingRef("stranger")] = replace(shown[shop.stall.listing_ref], listing_ref=ListingRef("stranger"))
    for _ in range(3):
        await shop.look()
    assert [tuple(row) for row in await shop.rows()] == [("listing", "unknown listing", "leave", False)]


async def test_a_listing_that_vanished_is_told_again(bench: Bench) -> None:
    shop = await open_shop(bench, "adopt")
    await shop.look()
    del shop.stall.connector.shown[shop.stall.listing_ref]
    await shop.look()
    assert shop.quantity == 10
    assert [tuple(row) for row in await shop.rows()] == [("listing", "vanished listing", "repair", False)]


async def test_what_is_not_in_a_list_that_was_cut_short_has_not_vanished(bench: Bench) -> None:
    shop = await open_shop(bench, "adopt")
    await shop.look()
    del shop.stall.connector.shown[shop.stall.listing_ref]
    assert await shop.compared.compare(shop.stall.terms, shop.clock(), complete=False) == []


async def test_units_that_buyers_hold_there_are_no_drift(bench: Bench) -> None:
    shop = await open_shop(bench, "adopt")
    at = shop.clock() + timedelta(minutes=1)
    seen = OfferObserved(shop.stall.listing_ref, 7, Money(shop.price_minor, "EUR"), True, held=3)
    outbox = Outbox(shop.pool, {}, StockPolicy(), shop.clock)
    await outbox.observe(shop.stall.terms, [seen], at)
    assert await shop.compared.compare(shop.stall.terms, at) == []
