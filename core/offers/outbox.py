"""Moves offers out: from marks to what is wanted, to what the channel is told, to what it acknowledged.

An offer is worked out when it is claimed, so changes coalesce and an old value cannot overtake a new one.
What a channel will be told is written down before it is told, and counts as promised until it answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from core.db.pool import Connection, Pool, Record
from core.db.queries import load_queries
from core.flash.quota import quotas_left
from core.offers.answers import (
    Delay,
    Refusal,
    settle_doubts,
    settle_told,
    settle_unchanged,
    write_observed,
)
from core.offers.closures.closed import read_closures
from core.offers.dirty import (
    collect_marks,
    collect_older,
    drop_read_marks,
    follow_digest,
    recount_listings,
    touch,
)
from core.offers.history.moved import dirty_moved
from core.offers.history.selling import read_lags
from core.offers.planning import OfferPlan, OfferRow, StockWishes, plan_sku
from core.offers.price.plan import Held
from core.offers.pricing.changes import ToldPrice, note_free_changes, note_price_changes
from core.offers.pricing.holds import AskedPrice, ask_for_prices
from core.offers.pricing.listing_prices import decide_all, read_cases
from core.offers.sku_facts import read_stocks
from core.offers.stock.rules import StockPolicy
from core.offers.terms import ChannelTerms
from core.offers.terms_text import terms_digest
from core.types import ChannelId, ListingId, OfferObserved, SkuId

_SQL = load_queries("core.offers", "outbox.sql")
_DIRTY_LISTINGS = _SQL["dirty_listings"]
_LOCK_OFFERS = _SQL["lock_offers"]
_LOOK_AT_OFFERS = _SQL["look_at_offers"]
_WRITE_WANTED = _SQL["write_wanted"]
_NOTE_PROMISES = _SQL["note_promises"]

_EXPIRY = "expiry"


@dataclass(frozen=True, slots=True)
class Claim:
    """How many dirty offers were looked at, and those of them that the channel has to be told."""

    looked_at: int
    plans: tuple[OfferPlan, ...]


class Outbox:
    """The offers of all channels. `terms` tells of every configured channel, also those others drive."""

    def __init__(
        self,
        pool: Pool,
        terms: Mapping[ChannelId, ChannelTerms],
        policy: StockPolicy,
        now: Callable[[], datetime],
    ) -> None:
        self._pool = pool
        self._terms = terms
        self._policy = policy
        self._now = now

    async def collect(self, channel_id: ChannelId) -> int:
        """Turn fresh marks into dirty offers of a channel; how many SKUs were marked."""
        async with self._pool.acquire() as conn, conn.transaction():
            return await collect_marks(conn, channel_id, self._now())

    async def collect_expired(self, terms: ChannelTerms) -> int:
        """Turn the passing of time into dirty offers: codes that grew too old, and sales that fade."""
        limits = {_EXPIRY: terms.min_validity}
        limits |= {f"{_EXPIRY}.{limit.days}": limit for limit in self._policy.validities}
        older = [await self._collect_older(terms, subject, limit) for subject, limit in limits.items()]
        moved = 0
        if self._policy.looks_at_sales or terms.stock_looks_at_sales:
            moved = await dirty_moved(self._pool, terms.channel_id, self._now())
        return sum(older) + moved

    async def _collect_older(self, terms: ChannelTerms, subject: str, limit: timedelta) -> int:
        async with self._pool.acquire() as conn, conn.transaction():
            return await collect_older(conn, terms.channel_id, subject, limit, self._now())

    async def recount(self, listing_ids: Sequence[ListingId]) -> None:
        """Have listings told again that their channel has counted down by itself."""
        async with self._pool.acquire() as conn, conn.transaction():
            await recount_listings(conn, listing_ids, self._now())

    async def follow_terms(self, channel_id: ChannelId) -> bool:
        """Have every offer worked out again if the terms differ from those last followed; whether they do."""
        digest = terms_digest(self._terms[channel_id], self._policy)
        async with self._pool.acquire() as conn, conn.transaction():
            return await follow_digest(conn, channel_id, digest, self._now())

    async def touch_channel(self, channel_id: ChannelId) -> None:
        """Have every offer of a channel worked out again."""
        async with self._pool.acquire() as conn, conn.transaction():
            await touch(conn, channel_id, self._now())

    async def claim(self, channel_id: ChannelId, limit: int) -> Claim:
        """Work out dirty offers and write down what the channel will be told; decreases come first.

        Offers that show what they should are settled here and only counted.
        """
        now = self._now()
        async with self._pool.acquire() as conn, conn.transaction():
            dirty = await conn.fetch(_DIRTY_LISTINGS, channel_id, now, limit)
            if not dirty:
                return Claim(0, ())
            plans = await self._plan_dirty(conn, dirty, now)
            await self._write_plans(conn, plans, now)
        told = [plan for plan in plans if plan.tells]
        told.sort(key=lambda plan: (plan.raises, plan.row.listing_id))
        return Claim(len(dirty), tuple(told))

    async def rehearse(self, channel_id: ChannelId, limit: int) -> Claim:
        """Work out dirty offers of a channel that is told nothing: they are shown to people, not promised."""
        now = self._now()
        async with self._pool.acquire() as conn, conn.transaction():
            dirty = await conn.fetch(_DIRTY_LISTINGS, channel_id, now, limit)
            if not dirty:
                return Claim(0, ())
            plans = await self._plan_dirty(conn, dirty, now)
            await self._write_wanted(conn, [replace(plan, tells=False) for plan in plans], now)
            await settle_unchanged(conn, plans, [True] * len(plans), now)
        return Claim(len(dirty), tuple(plan for plan in plans if plan.tells))

    async def plan(self, sku_ids: Sequence[SkuId]) -> list[OfferPlan]:
        """What every listing of some SKUs should show now, with why; nothing is written or locked."""
        async with self._pool.acquire() as conn:
            rows = await conn.fetch(_LOOK_AT_OFFERS, sku_ids)
            claimed = {ListingId(row["listing_id"]) for row in rows}
            return await self._plan(conn, sku_ids, rows, claimed, self._now())

    async def _plan_dirty(self, conn: Connection, dirty: Sequence[Record], now: datetime) -> list[OfferPlan]:
        sku_ids = sorted({SkuId(row["sku_id"]) for row in dirty})
        rows = await conn.fetch(_LOCK_OFFERS, sku_ids)
        return await self._plan(conn, sku_ids, rows, {ListingId(row["listing_id"]) for row in dirty}, now)

    async def _plan(
        self,
        conn: Connection,
        sku_ids: Sequence[SkuId],
        found: Sequence[Record],
        claimed: set[ListingId],
        now: datetime,
    ) -> list[OfferPlan]:
        rows = [OfferRow.read(row) for row in found]
        closures = await read_closures(conn, sku_ids, [row.listing_id for row in rows])
        stocks = await read_stocks(conn, sku_ids, now)
        cases = await read_cases(conn, rows, stocks, self._terms, now)
        wishes = StockWishes(self._policy, await read_lags(conn), quotas_left(cases))
        prices = decide_all(cases, closures, claimed)
        plans: list[OfferPlan] = []
        for sku_id in sku_ids:
            own = [row for row in rows if row.sku_id == sku_id]
            planned = plan_sku(stocks[sku_id], own, self._terms, closures, wishes, prices, now)
            plans += [plan for plan in planned if plan.row.listing_id in claimed]
        return plans

    async def _write_wanted(self, conn: Connection, plans: Sequence[OfferPlan], now: datetime) -> None:
        await conn.execute(
            _WRITE_WANTED,
            [plan.row.listing_id for plan in plans],
            [plan.wanted_quantity for plan in plans],
            [plan.price_minor for plan in plans],
            [plan.net_minor for plan in plans],
            [plan.on for plan in plans],
            [plan.why for plan in plans],
            [plan.quantity if plan.tells else None for plan in plans],
            now,
        )

    async def _write_plans(self, conn: Connection, plans: Sequence[OfferPlan], now: datetime) -> None:
        await self._write_wanted(conn, plans, now)
        told = [plan for plan in plans if plan.tells]
        await conn.execute(
            _NOTE_PROMISES,
            [plan.row.listing_id for plan in told],
            [plan.quantity for plan in told],
            [plan.price_minor for plan in told],
            [plan.row.showing for plan in told],
            [plan.promised_total for plan in told],
            [plan.available for plan in told],
            [plan.sku_policy.bound_permille.value for plan in told],
            now,
        )
        await self._note_prices(conn, plans, now)
        # All offers of these SKUs are locked meanwhile, also for others: no statement is asked for nothing.
        if same := [plan for plan in plans if not plan.tells]:
            await settle_unchanged(conn, same, [not plan.held_back for plan in same], now)

    async def _note_prices(self, conn: Connection, plans: Sequence[OfferPlan], now: datetime) -> None:
        """Changes that will be told, and the prices that people are asked about."""
        told = [plan for plan in plans if plan.tells and plan.price_changed]
        changes = [ToldPrice(plan.row.listing_id, plan.price_minor, plan.net_minor) for plan in told]
        await note_price_changes(conn, changes, now)
        asked = [
            AskedPrice(
                plan.row.listing_id, plan.row.published_price_minor, plan.priced.asked.gross, plan.priced.why
            )
            for plan in plans
            if isinstance(plan.priced, Held) and not plan.priced.refused
        ]
        await ask_for_prices(conn, [plan.row.listing_id for plan in plans], asked, now)

    async def settle(
        self,
        published: Sequence[OfferPlan],
        refused: Sequence[Refusal],
        later: Sequence[Delay],
        pause: timedelta = timedelta(0),
    ) -> tuple[float, ...]:
        """Write down what became of claimed offers; none is told again before `pause` is over.

        Returns the lags that ended by it: seconds from a sale elsewhere to the smaller quantity acknowledged.
        """
        async with self._pool.acquire() as conn, conn.transaction():
            return await settle_told(conn, published, refused, later, self._now(), pause)

    async def observe(self, terms: ChannelTerms, seen: Sequence[OfferObserved], at: datetime) -> None:
        """Write down what a channel was seen to show."""
        async with self._pool.acquire() as conn, conn.transaction():
            await write_observed(conn, terms.channel_id, seen, at)
            await note_free_changes(conn, terms.channel_id, seen, at)

    async def end_doubts(self, terms: ChannelTerms, at: datetime) -> None:
        """Take what was seen at `at`, after the last telling, for what the channel shows."""
        async with self._pool.acquire() as conn, conn.transaction():
            await settle_doubts(conn, terms.channel_id, at)

    async def drop_read_marks(self) -> None:
        """Forget marks that every channel has read."""
        await drop_read_marks(self._pool)
