"""Looks at what other sellers ask, and asks fee calculators; what moves a price has it worked out again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from connectors.kit.abilities import QuotesFees, WatchesCompetitors
from connectors.kit.errors import ChannelRefused
from connectors.kit.messages import Competition
from core.db.pool import Pool
from core.money.money import Money
from core.offers.pricing.changes import QuotedPrice, due_quotes, keep_fee_quotes
from core.offers.pricing.repricing import Repricing
from core.offers.pricing.sightings import DueLook, Look, SeenOffer, due_looks, keep_looks
from core.offers.terms import ChannelTerms
from core.types import ListingId, PriceBasis

# Which listings have a rule that looks at rivals changes with rules and tags only.
_FOLLOWING_SECONDS = 300.0
# An answer holds for a week; asking again after half of it leaves time for a channel that is away.
_QUOTE_AGE = timedelta(days=3)
_QUOTES_PER_ROUND = 3

_log = structlog.get_logger()


class CompetitorWatch:
    """One channel's rivals: a look a round, at the listings that were looked at the longest ago."""

    def __init__(
        self,
        pool: Pool,
        terms: ChannelTerms,
        connector: WatchesCompetitors,
        now: Callable[[], datetime],
        wake_push: Callable[[], None],
        every_seconds: float,
    ) -> None:
        self._pool = pool
        self._terms = terms
        self._connector = connector
        self._repricing = Repricing(pool, terms)
        self._now = now
        self._wake_push = wake_push
        self._every = timedelta(seconds=every_seconds)
        self._following: list[ListingId] = []
        self._following_until: datetime | None = None

    async def watch(self) -> None:
        """Look once; one request a round leaves the channel's rate to orders and offers."""
        now = self._now()
        following = await self._listings(now)
        if not following:
            return
        async with self._pool.acquire() as conn:
            due = await due_looks(
                conn,
                self._terms.channel_id,
                following,
                now - self._every,
                self._connector.listings_per_look,
            )
        if not due:
            return
        seen = await self._connector.watch_competitors([each.listing_ref for each in due])
        looks = [_look(each, competition) for each, competition in zip(due, seen, strict=True)]
        async with self._pool.acquire() as conn, conn.transaction():
            changed = await keep_looks(conn, looks, now)
        repriced = await self._repricing.some(changed, now)
        if repriced.differing:
            self._wake_push()
        _log.debug("competitors.seen", channel=self._terms.name, looked_at=len(due), changed=len(changed))

    async def _listings(self, now: datetime) -> list[ListingId]:
        if self._following_until is None or now >= self._following_until:
            self._following = await self._repricing.following(now)
            self._following_until = now + timedelta(seconds=_FOLLOWING_SECONDS)
        return self._following


class FeeWatch:
    """One channel's fee calculator: asked for a few listings a round, at the price that they show."""

    def __init__(
        self, pool: Pool, terms: ChannelTerms, connector: QuotesFees, now: Callable[[], datetime]
    ) -> None:
        self._pool = pool
        self._terms = terms
        self._connector = connector
        self._now = now
        # Listings of which the calculator will not speak; asked again when the daemon starts again.
        self._refused: set[ListingId] = set()

    async def quote(self) -> None:
        """Ask for those asked for the longest ago."""
        now = self._now()
        async with self._pool.acquire() as conn:
            due = await due_quotes(
                conn, self._terms.channel_id, now - _QUOTE_AGE, _QUOTES_PER_ROUND, self._refused
            )
        quotes = []
        for each in due:
            price = Money(each.gross_minor, self._terms.currency)
            try:
                quote = await self._connector.quote_fee(each.listing_ref, price, PriceBasis.GROSS)
            except ChannelRefused as refused:
                self._refused.add(each.listing_id)
                _log.info(
                    "fee.not_quoted",
                    channel=self._terms.name,
                    listing_ref=each.listing_ref,
                    reason=str(refused),
                )
                continue
            quotes.append(QuotedPrice(each.listing_id, quote.gross.amount_minor, quote.net.amount_minor))
        if quotes:
            await keep_fee_quotes(self._pool, quotes, now)


def _look(due: DueLook, seen: Competition) -> Look:
    """What a channel told of a listing's rivals, in core's words; a price of nothing is no offer."""
    if seen.offers is None:
        return Look(due.listing_id, None, seen.detail)
    offers = [
        SeenOffer(offer.seller, offer.price, offer.own, offer.quantity)
        for offer in seen.offers
        if offer.price.amount_minor > 0
    ]
    return Look(due.listing_id, offers)
