"""Decides which offers would have another price now, though nothing was sold and nobody said a word.

Time opens and closes windows, stock grows stale, rates and rivals move. Everything is read in chunks and
without locks; only the offers that differ are marked, and worked out again when they are claimed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.db.pool import Connection, Pool, Record
from core.db.queries import load_queries
from core.flash.quota import quotas_left
from core.offers.closures.closed import read_closures
from core.offers.planning import OfferRow, price_state
from core.offers.price.book import PriceBook, PriceLayer
from core.offers.price.plan import Held, PricePlan
from core.offers.price.rule import Span
from core.offers.pricing.holds import dirty_listings
from core.offers.pricing.listing_prices import decide_all, read_cases
from core.offers.sku_facts import read_stocks
from core.offers.stock.wants import QuotaLeft
from core.offers.terms import ChannelTerms
from core.types import ListingId, SkuId

_SQL = load_queries("core.offers.pricing", "repricing.sql")
_NEXT_SKUS = _SQL["next_skus"]
_SKUS_OF_LISTINGS = _SQL["skus_of_listings"]
_OFFERS_OF_CHANNEL = _SQL["offers_of_channel"]
_LAST_WORKED_OUT = _SQL["last_worked_out"]

# Facts are read by chunks, since each costs some twenty statements. Prices are worked out a few at a time:
# more in one go would keep callbacks waiting for their answers.
CHUNK_SKUS = 250
_DECIDED_AT_ONCE = 40


@dataclass(frozen=True, slots=True)
class Repriced:
    """How many offers were looked at, and how many of them would have another price now."""

    looked_at: int
    differing: int

    def __add__(self, other: Repriced) -> Repriced:
        return Repriced(self.looked_at + other.looked_at, self.differing + other.differing)


class Repricing:
    """Recalculates the prices of one channel."""

    def __init__(self, pool: Pool, terms: ChannelTerms, chunk_skus: int = CHUNK_SKUS) -> None:
        self._pool = pool
        self._terms = terms
        self._chunk_skus = chunk_skus

    async def all(self, now: datetime) -> Repriced:
        """Look at every listing of the channel, a chunk of SKUs at a time."""
        done, last = Repriced(0, 0), SkuId(0)
        # Ends with the last SKU: each chunk begins behind the one before.
        while sku_ids := await self._next(last):
            done += await self._reprice(sku_ids, now)
            last = sku_ids[-1]
        return done

    async def some(self, listing_ids: Sequence[ListingId], now: datetime) -> Repriced:
        """Look at the listings of these listings' SKUs on the channel."""
        rows = await self._pool.fetch(_SKUS_OF_LISTINGS, listing_ids)
        sku_ids = [SkuId(row["sku_id"]) for row in rows]
        return await self._reprice(sku_ids, now) if sku_ids else Repriced(0, 0)

    async def following(self, now: datetime) -> list[ListingId]:
        """The listings whose rule looks at other sellers."""
        found: list[ListingId] = []
        if not any(layer.rival is not None for layer in _layers(self._terms.price)):
            return found
        last = SkuId(0)
        while sku_ids := await self._next(last):
            async with self._pool.acquire() as conn:
                rows = await self._rows(conn, sku_ids)
                stocks = await read_stocks(conn, sku_ids, now)
            for row in rows:
                rule = self._terms.price.rule_for(stocks[row.sku_id].facts_at(now), row.listing_ref, now)
                if rule.rival is not None and row.enabled:
                    found.append(row.listing_id)
            last = sku_ids[-1]
        return found

    async def _next(self, after: SkuId) -> list[SkuId]:
        rows = await self._pool.fetch(_NEXT_SKUS, self._terms.channel_id, after, self._chunk_skus)
        return [SkuId(row["sku_id"]) for row in rows]

    async def _rows(self, conn: Connection, sku_ids: Sequence[SkuId]) -> list[OfferRow]:
        rows = await conn.fetch(_OFFERS_OF_CHANNEL, self._terms.channel_id, sku_ids)
        return [OfferRow.read(row) for row in rows]

    async def _reprice(self, sku_ids: Sequence[SkuId], now: datetime) -> Repriced:
        async with self._pool.acquire() as conn:
            rows = await self._rows(conn, sku_ids)
            ids = [row.listing_id for row in rows]
            before = {ListingId(row["listing_id"]): row for row in await conn.fetch(_LAST_WORKED_OUT, ids)}
            stocks = await read_stocks(conn, sku_ids, now)
            closures = await read_closures(conn, sku_ids, ids)
            terms = {self._terms.channel_id: self._terms}
            cases = await read_cases(conn, rows, stocks, terms, now)
        differing: list[ListingId] = []
        # Who will be worked out anyhow need not be worked out here.
        looked_at = [case for case in cases if case.row.listing_id in before]
        for start in range(0, len(looked_at), _DECIDED_AT_ONCE):
            some = looked_at[start : start + _DECIDED_AT_ONCE]
            plans, quotas = decide_all(some, closures, set(ids)), quotas_left(some)
            differing += [
                listing_id
                for listing_id, plan in plans.items()
                if _differs(before[listing_id], plan)
                or _quota_moved(before[listing_id], quotas.get(listing_id))
            ]
            await asyncio.sleep(0)
        if differing:
            async with self._pool.acquire() as conn:
                await dirty_listings(conn, differing, now)
        return Repriced(len(rows), len(differing))


def boundaries(book: PriceBook) -> list[datetime]:
    """The moments at which a rule begins or ceases to hold, in order. Pure."""
    spans = [span for layer in _layers(book) for span in _spans(layer)]
    moments = {moment for span in spans for moment in (span.from_at, span.until) if moment is not None}
    return sorted(moments)


def _differs(before: Record, plan: PricePlan) -> bool:
    """Compared with what was last wanted, not with what is shown: what a channel refuses stays refused."""
    if before["price_state"] != price_state(plan):
        return True
    if isinstance(plan, Held) and not plan.refused and before["asked_minor"] != plan.asked.gross.amount_minor:
        return True
    if plan.shown is None:
        return False
    wanted = (before["wanted_price_minor"], before["wanted_net_minor"])
    return wanted != (plan.shown.gross.amount_minor, plan.shown.net.amount_minor)


def _quota_moved(before: Record, quota: QuotaLeft | None) -> bool:
    """Whether a flash sale has begun that lets less be shown, or ended one that did, or has some again."""
    within: int | None = before["within_quota"]
    if quota is None or within is not None:
        return within != (None if quota is None else quota.left)
    wanted: int | None = before["wanted_quantity"]
    return wanted is not None and wanted > quota.left


def _layers(book: PriceBook) -> Iterator[PriceLayer]:
    yield book.everywhere
    yield from (each.layer for each in book.by_sku)
    yield book.channel
    yield from book.by_listing.values()


def _spans(layer: PriceLayer) -> Iterator[Span]:
    yield layer.span
    steps = (
        layer.target,
        layer.pressure,
        layer.demand,
        layer.rival,
        layer.ceiling,
        layer.brake,
        layer.spending,
    )
    yield from (step.span for step in steps if step is not None)
    yield from (Span(window.from_at, window.until) for window in layer.windows or ())
