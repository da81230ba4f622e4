"""Moves offers out: from marks to what is wanted, to what the channel is told, to what it acknowledged.

An offer is worked out when it is claimed, so changes coalesce and an old value cannot overtake a new one.
What a channel will be told is written down before it is told, and counts as promised until it answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from core.cursors import move_cursor, read_cursor
from core.db.pool import Connection, Pool, Record
from core.db.queries import load_queries
from core.flash.quota import quotas_left
from core.offers.closures.closed import read_closures
from core.offers.history.moved import dirty_moved
from core.offers.history.selling import NO_SALE, first_sales, read_lags
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
_ALONE_WITH_MARKS = _SQL["alone_with_marks"]
_LOCK_LISTINGS = _SQL["lock_listings"]
_LOCK_SKUS_OF_CHANNEL = _SQL["lock_skus_of_channel"]
_LOCK_REFS_OF_CHANNEL = _SQL["lock_refs_of_channel"]
_LOCK_DOUBTS = _SQL["lock_doubts"]
_READ_MARKS = _SQL["read_marks"]
_DIRTY_SKUS = _SQL["dirty_skus"]
_DIRTY_CHANNEL = _SQL["dirty_channel"]
_EXPIRED_SKUS = _SQL["expired_skus"]
_RECOUNT_LISTINGS = _SQL["recount_listings"]
_DIRTY_LISTINGS = _SQL["dirty_listings"]
_LOCK_OFFERS = _SQL["lock_offers"]
_LOOK_AT_OFFERS = _SQL["look_at_offers"]
_WRITE_WANTED = _SQL["write_wanted"]
_NOTE_PROMISES = _SQL["note_promises"]
_SETTLE_PUBLISHED = _SQL["settle_published"]
_SETTLE_UNCHANGED = _SQL["settle_unchanged"]
_SETTLE_REFUSED = _SQL["settle_refused"]
_SETTLE_LATER = _SQL["settle_later"]
_WRITE_OBSERVED = _SQL["write_observed"]
_SETTLE_DOUBTS = _SQL["settle_doubts"]
_DROP_READ_MARKS = _SQL["drop_read_marks"]

_EXPIRY = "expiry"
_TERMS_FOLLOWED = "terms"
_MOST_MARKS = 10_000
# An increase that had to wait for the others' decrease is looked at again this soon.
_HELD_BACK_PAUSE = timedelta(milliseconds=500)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An offer the channel will not show as told, and its reason."""

    plan: OfferPlan
    detail: str


@dataclass(frozen=True, slots=True)
class Delay:
    """An offer to tell again; unknown says that the channel may show it already."""

    plan: OfferPlan
    after_seconds: float
    unknown: bool


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
        now = self._now()
        async with self._pool.acquire() as conn, conn.transaction():
            await conn.execute(_ALONE_WITH_MARKS, channel_id)
            rows = await conn.fetch(_READ_MARKS, channel_id, _MOST_MARKS)
            if not rows:
                return 0
            skus = {SkuId(row["sku_id"]) for row in rows}
            sold_on = {int(row["listing_id"]) for row in rows if row["listing_id"] is not None}
            sales = first_sales(
                (int(row["sku_id"]), int(row["listing_id"]), row["marked_at"])
                for row in rows
                if row["listing_id"] is not None
            )
            oldest = [sales.get(sku_id, NO_SALE) for sku_id in sorted(skus)]
            await conn.execute(_LOCK_SKUS_OF_CHANNEL, channel_id, sorted(skus))
            await conn.execute(
                _DIRTY_SKUS,
                channel_id,
                sorted(skus),
                now,
                sorted(sold_on),
                [sale.at for sale in oldest],
                [sale.listing_id for sale in oldest],
                [sale.elsewhere_at for sale in oldest],
            )
            for lane in {int(row["lane"]) for row in rows}:
                last = max(int(row["mark_id"]) for row in rows if row["lane"] == lane)
                await move_cursor(conn, channel_id, f"marks.{lane}", str(last), now)
        return len(skus)

    async def collect_expired(self, terms: ChannelTerms) -> int:
        """Turn the passing of time into dirty offers: for codes that grew too old, and for sales that fade.

        Each limit has a cursor: the moment up to which codes had to be valid when this was last looked at.
        """
        limits = {_EXPIRY: terms.min_validity}
        limits |= {f"{_EXPIRY}.{limit.days}": limit for limit in self._policy.validities}
        older = [await self._collect_older(terms, subject, limit) for subject, limit in limits.items()]
        moved = 0
        if self._policy.looks_at_sales or terms.stock_looks_at_sales:
            moved = await dirty_moved(self._pool, terms.channel_id, self._now())
        return sum(older) + moved

    async def _collect_older(self, terms: ChannelTerms, subject: str, limit: timedelta) -> int:
        now = self._now()
        horizon = now + limit
        async with self._pool.acquire() as conn, conn.transaction():
            last = await read_cursor(conn, terms.channel_id, subject)
            since = datetime.fromisoformat(last) if last else horizon
            rows = await conn.fetch(_EXPIRED_SKUS, terms.channel_id, since, horizon)
            if rows:
                sku_ids = [row["sku_id"] for row in rows]
                await conn.execute(_LOCK_SKUS_OF_CHANNEL, terms.channel_id, sku_ids)
                await conn.execute(_DIRTY_SKUS, terms.channel_id, sku_ids, now, [], [], [], [])
            await move_cursor(conn, terms.channel_id, subject, horizon.isoformat(), now)
        return len(rows)

    async def recount(self, listing_ids: Sequence[ListingId]) -> None:
        """Have listings told again that their channel has counted down by itself."""
        async with self._pool.acquire() as conn, conn.transaction():
            await conn.execute(_LOCK_LISTINGS, listing_ids)
            await conn.execute(_RECOUNT_LISTINGS, listing_ids, self._now())

    async def follow_terms(self, channel_id: ChannelId) -> bool:
        """Have every offer worked out again if the terms differ from those last followed; whether they do."""
        digest = terms_digest(self._terms[channel_id], self._policy)
        async with self._pool.acquire() as conn, conn.transaction():
            if await read_cursor(conn, channel_id, _TERMS_FOLLOWED) == digest:
                return False
            await _touch(conn, channel_id, self._now())
            await move_cursor(conn, channel_id, _TERMS_FOLLOWED, digest, self._now())
        return True

    async def touch_channel(self, channel_id: ChannelId) -> None:
        """Have every offer of a channel worked out again."""
        async with self._pool.acquire() as conn, conn.transaction():
            await _touch(conn, channel_id, self._now())

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
            ids, versions = _ids_and_versions(plans)
            await conn.execute(_SETTLE_UNCHANGED, ids, versions, [True] * len(ids), now)
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
            ids, versions = _ids_and_versions(same)
            final = [not plan.held_back for plan in same]
            await conn.execute(_SETTLE_UNCHANGED, ids, versions, final, now + _HELD_BACK_PAUSE)

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
        now = self._now()
        settled = (*published, *(each.plan for each in refused), *(each.plan for each in later))
        async with self._pool.acquire() as conn, conn.transaction():
            await conn.execute(_LOCK_LISTINGS, [plan.row.listing_id for plan in settled])
            lags = await _settle_published(conn, published, now, pause)
            if refused:
                await conn.execute(
                    _SETTLE_REFUSED,
                    [refusal.plan.row.listing_id for refusal in refused],
                    [refusal.plan.row.dirty_version for refusal in refused],
                    [refusal.detail for refusal in refused],
                )
            if later:
                await conn.execute(
                    _SETTLE_LATER,
                    [delay.plan.row.listing_id for delay in later],
                    now,
                    [delay.after_seconds for delay in later],
                    [delay.unknown for delay in later],
                )
        return lags

    async def observe(self, terms: ChannelTerms, seen: Sequence[OfferObserved], at: datetime) -> None:
        """Write down what a channel was seen to show."""
        async with self._pool.acquire() as conn, conn.transaction():
            refs = [offer.listing_ref for offer in seen]
            await conn.execute(_LOCK_REFS_OF_CHANNEL, terms.channel_id, refs)
            await conn.execute(
                _WRITE_OBSERVED,
                terms.channel_id,
                refs,
                [offer.quantity for offer in seen],
                [offer.price.amount_minor for offer in seen],
                [offer.net_price.amount_minor if offer.net_price else None for offer in seen],
                [offer.on and offer.quantity > 0 for offer in seen],
                at,
                [offer.held for offer in seen],
            )
            await note_free_changes(conn, terms.channel_id, seen, at)

    async def end_doubts(self, terms: ChannelTerms, at: datetime) -> None:
        """Take what was seen at `at`, after the last telling, for what the channel shows."""
        async with self._pool.acquire() as conn, conn.transaction():
            await conn.execute(_LOCK_DOUBTS, terms.channel_id)
            await conn.execute(_SETTLE_DOUBTS, terms.channel_id, at)

    async def drop_read_marks(self) -> None:
        """Forget marks that every channel has read."""
        await self._pool.execute(_DROP_READ_MARKS)


def _ids_and_versions(plans: Sequence[OfferPlan]) -> tuple[list[ListingId], list[int]]:
    return [plan.row.listing_id for plan in plans], [plan.row.dirty_version for plan in plans]


async def _touch(conn: Connection, channel_id: ChannelId, now: datetime) -> None:
    await conn.execute(_LOCK_SKUS_OF_CHANNEL, channel_id, None)
    await conn.execute(_DIRTY_CHANNEL, channel_id, now)


async def _settle_published(
    conn: Connection, published: Sequence[OfferPlan], now: datetime, pause: timedelta
) -> tuple[float, ...]:
    lags = await conn.fetch(
        _SETTLE_PUBLISHED,
        [plan.row.listing_id for plan in published],
        [plan.row.dirty_version for plan in published],
        [plan.quantity for plan in published],
        [plan.price_minor for plan in published],
        [plan.net_minor for plan in published],
        [plan.on for plan in published],
        [not plan.held_back for plan in published],
        now,
        now + max(pause, _HELD_BACK_PAUSE),
        now + pause,
        [plan.quantity < plan.row.showing for plan in published],
    )
    return tuple(float(row["lag_seconds"]) for row in lags)
