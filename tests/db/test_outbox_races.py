"""Daemons that change the same offers at once wait for each other, and never for ever."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

import pytest

from core.db.pool import Pool
from core.money.money import Money
from core.money.plans.rules import CONSIGNOR
from core.offers.answers import Delay, Refusal
from core.offers.closures.switches import press
from core.offers.outbox import Outbox
from core.offers.pricing.holds import dirty_listings
from core.offers.stock.rules import StockPolicy
from core.offers.terms import ChannelTerms
from core.types import ChannelId, ListingId, ListingRef, OfferObserved, SkuId
from tests.factories import add_channel, add_codes, add_listing, add_sku, terms_of
from tests.plain_plans import plain_plan, plain_rule

T = TypeVar("T")
PLAN = plain_plan("all", 1, [plain_rule(CONSIGNOR, rest=True)])
CHANNELS, SKUS, ROUNDS = 3, 12, 25
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Fair:
    """SKUs that are listed on every channel, and two daemons' outboxes."""

    pool: Pool
    terms: dict[ChannelId, ChannelTerms]
    skus: Sequence[SkuId]
    listings: Sequence[ListingId]
    outboxes: Sequence[Outbox]

    async def mark(self, rng: random.Random) -> None:
        await self.pool.execute(
            "INSERT INTO stock_mark (lane, sku_id) SELECT 0, unnest($1::int[])", self._some(self.skus, rng)
        )

    async def push(self, outbox: Outbox, channel_id: ChannelId, rng: random.Random) -> None:
        """What a pusher does, with every answer a channel may give."""
        await outbox.collect(channel_id)
        claim = await outbox.claim(channel_id, 50)
        plans = list(claim.plans)
        rng.shuffle(plans)
        third = len(plans) // 3
        refused = [Refusal(plan, "no") for plan in plans[:third]]
        later = [Delay(plan, 0.0, unknown=True) for plan in plans[third : 2 * third]]
        await outbox.settle(plans[2 * third :], refused, later)

    async def look(self, outbox: Outbox, channel_id: ChannelId, rng: random.Random) -> None:
        """What a reconciler does; a channel lists its offers in any order."""
        refs = await self.pool.fetch("SELECT listing_ref FROM listing WHERE channel_id = $1", channel_id)
        seen = [
            OfferObserved(
                ListingRef(row["listing_ref"]),
                1,
                Money(2000, "EUR"),
                True,
                free_price_changes=rng.randrange(5),
            )
            for row in refs
        ]
        rng.shuffle(seen)
        at = now()
        await outbox.observe(self.terms[channel_id], seen, at)
        await outbox.collect(channel_id)
        await outbox.end_doubts(self.terms[channel_id], at + timedelta(seconds=1))

    async def meddle(self, outbox: Outbox, channel_id: ChannelId, rng: random.Random) -> None:
        """What prices, people and the guard do."""
        await outbox.recount(self._some(self.listings, rng))
        await outbox.touch_channel(channel_id)
        async with self.pool.acquire() as conn, conn.transaction():
            await dirty_listings(conn, self._some(self.listings, rng), now())
        async with self.pool.acquire() as conn, conn.transaction():
            await press(conn, now(), listing_ids=self._some(self.listings, rng))

    def _some(self, of: Sequence[T], rng: random.Random) -> list[T]:
        return rng.sample(list(of), k=len(of) // 2)


@pytest.fixture
async def fair(pool: Pool) -> Fair:
    channels = [await add_channel(pool) for _ in range(CHANNELS)]
    skus = [await add_sku(pool) for _ in range(SKUS)]
    pairs = [(channel_id, sku_id) for channel_id in channels for sku_id in skus]
    # Neither the order of SKUs nor that of channels is that of the listings.
    random.Random(1).shuffle(pairs)
    listings = [await add_listing(pool, channel_id, sku_id) for channel_id, sku_id in pairs]
    for sku_id in skus:
        await add_codes(pool, sku_id, 20)
    terms = {channel_id: terms_of(channel_id, f"fair-{channel_id}", 1, PLAN) for channel_id in channels}
    outboxes = [Outbox(pool, terms, StockPolicy(), now) for _ in range(2)]
    return Fair(pool, terms, skus, listings, outboxes)


async def test_nothing_that_changes_offers_ever_deadlocks(fair: Fair) -> None:
    async def again(work: Callable[[random.Random], Awaitable[None]], seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(ROUNDS):
            await work(rng)

    works: list[Callable[[random.Random], Awaitable[None]]] = [fair.mark]
    for outbox in fair.outboxes:
        for channel_id in fair.terms:
            for work in (fair.push, fair.look, fair.meddle):
                works.append(partial(work, outbox, channel_id))
    results = await asyncio.gather(
        *(again(work, seed) for seed, work in enumerate(works)), return_exceptions=True
    )
    assert [result for result in results if result is not None] == []
    assert await fair.pool.fetchval(DEADLOCKS) == 0


async def test_marks_that_two_read_at_once_make_offers_dirty_once(fair: Fair) -> None:
    """A pusher and a reconciler of the same channel collect side by side, while sales go on."""
    outbox, (channel_id, *_) = fair.outboxes[0], fair.terms
    position = "SELECT coalesce(max(position::bigint), 0) FROM channel_cursor WHERE channel_id = $1"
    collected, rng, last = 0, random.Random(1), 0
    for _ in range(ROUNDS):
        await fair.mark(rng)
        counts = await asyncio.gather(*(outbox.collect(channel_id) for _ in range(4)), fair.mark(rng))
        collected += sum(count for count in counts if count is not None)
        at: int = await fair.pool.fetchval(position, channel_id)
        assert at >= last
        last = at
    collected += await outbox.collect(channel_id)
    marked: int = await fair.pool.fetchval("SELECT count(*) FROM stock_mark")
    assert collected <= marked
    raised: int = await fair.pool.fetchval(
        "SELECT sum(dirty_version - 1)::int FROM offer JOIN listing USING (listing_id) WHERE channel_id = $1",
        channel_id,
    )
    assert raised == collected
    assert await outbox.collect(channel_id) == 0
