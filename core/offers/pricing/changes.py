"""Keeps what prices cost to change and to have: changes told, free ones left, answers of fee calculators."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.db.pool import Connection, Pool
from core.db.queries import load_queries
from core.types import ChannelId, ListingId, ListingRef, OfferObserved

_SQL = load_queries("core.offers.pricing", "changes.sql")
_NOTE_PRICE_CHANGES = _SQL["note_price_changes"]
_NOTE_FREE_CHANGES = _SQL["note_free_changes"]
_KEEP_FEE_QUOTES = _SQL["keep_fee_quotes"]
_DUE_QUOTES = _SQL["due_quotes"]
_PRUNE_FEE_QUOTES = _SQL["prune_fee_quotes"]


@dataclass(frozen=True, slots=True)
class ToldPrice:
    """A price that a channel is about to be told, in minor units of its currency."""

    listing_id: ListingId
    price_minor: int
    net_minor: int


@dataclass(frozen=True, slots=True)
class QuotedPrice:
    """Both sides of a price by the channel's own calculator, in minor units of its currency."""

    listing_id: ListingId
    gross_minor: int
    net_minor: int


@dataclass(frozen=True, slots=True)
class DueQuote:
    """A listing to ask the calculator about, and the price it shows."""

    listing_id: ListingId
    listing_ref: ListingRef
    gross_minor: int


async def note_price_changes(conn: Connection, told: Sequence[ToldPrice], now: datetime) -> None:
    """Write down which of these prices are changes, in the transaction that writes what will be told."""
    if told:
        await conn.execute(
            _NOTE_PRICE_CHANGES,
            [price.listing_id for price in told],
            [price.price_minor for price in told],
            [price.net_minor for price in told],
            now,
        )


async def note_free_changes(
    conn: Connection | Pool, channel_id: ChannelId, seen: Sequence[OfferObserved], at: datetime
) -> None:
    """Write down how many free changes a channel says are left, where it says so."""
    telling = [offer for offer in seen if offer.free_price_changes is not None]
    if telling:
        await conn.execute(
            _NOTE_FREE_CHANGES,
            channel_id,
            [offer.listing_ref for offer in telling],
            at,
            [offer.free_price_changes for offer in telling],
            [offer.next_free_change_seconds for offer in telling],
        )


async def due_quotes(
    conn: Connection,
    channel_id: ChannelId,
    before: datetime,
    limit: int,
    without: Collection[ListingId] = (),
) -> list[DueQuote]:
    """Listings whose fee was last asked for before a moment, the longest ago first, `without` some."""
    rows = await conn.fetch(_DUE_QUOTES, channel_id, before, limit, sorted(without))
    return [DueQuote(**dict(row)) for row in rows]


async def keep_fee_quotes(pool: Pool, quotes: Sequence[QuotedPrice], now: datetime) -> None:
    """Write down what the calculator answered."""
    await pool.execute(
        _KEEP_FEE_QUOTES,
        [quote.listing_id for quote in quotes],
        [quote.gross_minor for quote in quotes],
        [quote.net_minor for quote in quotes],
        now,
    )


async def prune_fee_quotes(pool: Pool, before: datetime) -> None:
    """Forget answers from before a moment."""
    await pool.execute(_PRUNE_FEE_QUOTES, before)
