"""Reads what people ask about prices: those held, those signed for, what changed, and what others ask."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from core.db.pool import Connection
from core.db.queries import load_queries
from core.errors import UnknownListing
from core.types import ListingId
from core.views.stock import like_pattern

_SQL = load_queries("core.views", "prices.sql")
_HOLDS = _SQL["holds"]
_EXCEPTIONS = _SQL["exceptions"]
_CHANGES = _SQL["changes"]
_COMPETITORS = _SQL["competitors"]
_LISTING = _SQL["listing"]
_FIND = _SQL["find_listings"]
_MOST = 500


@dataclass(frozen=True, slots=True)
class HoldView:
    """A price that the brake held; verdict None: a person has to decide."""

    hold_id: int
    listing_id: ListingId
    channel: str
    listing_ref: str
    sku_ref: str
    from_minor: int | None
    price_minor: int
    currency: str
    why: str
    asked_at: datetime
    verdict: str | None
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class ExceptionView:
    """A signature below the floor: buyers may pay as little as `least_minor` meanwhile."""

    exception_id: int
    listing_id: ListingId
    channel: str
    listing_ref: str
    sku_ref: str
    least_minor: int
    currency: str
    from_at: datetime
    until: datetime
    reason: str
    signed_by: str
    signed_at: datetime
    revoked_at: datetime | None
    revoked_by: str | None


@dataclass(frozen=True, slots=True)
class ChangeView:
    """A price that the channel was told; was_minor None: the first."""

    changed_at: datetime
    was_minor: int | None
    price_minor: int
    net_minor: int


@dataclass(frozen=True, slots=True)
class PricedListing:
    """A listing by what people call it, and the channel's currency."""

    listing_id: ListingId
    channel: str
    currency: str
    listing_ref: str
    sku_ref: str
    title: str


@dataclass(frozen=True, slots=True)
class CompetitorView:
    """What a seller was last seen to ask."""

    seller: str
    price_minor: int
    currency: str
    quantity: int | None
    own: bool
    looked_at: datetime


async def holds(
    conn: Connection,
    *,
    everything: bool = False,
    channel: str | None = None,
    listing_id: ListingId | None = None,
    limit: int = _MOST,
) -> list[HoldView]:
    """Held prices, the newest first; those that wait, or with `everything` also the decided."""
    return [HoldView(**dict(row)) for row in await conn.fetch(_HOLDS, everything, channel, limit, listing_id)]


async def exceptions(
    conn: Connection,
    now: datetime,
    *,
    everything: bool = False,
    listing_id: ListingId | None = None,
    limit: int = _MOST,
) -> list[ExceptionView]:
    """Signatures in force or to come, the newest first; with `everything` also those that are over."""
    rows = await conn.fetch(_EXCEPTIONS, everything, now, limit, listing_id)
    return [ExceptionView(**dict(row)) for row in rows]


async def changes(conn: Connection, listing_id: ListingId, limit: int = 50) -> list[ChangeView]:
    """A listing's changes of price, the newest first."""
    return [ChangeView(**dict(row)) for row in await conn.fetch(_CHANGES, listing_id, limit)]


async def priced_listing(conn: Connection, listing_id: ListingId) -> PricedListing:
    """One listing; UnknownListing if there is none of that number."""
    row = await conn.fetchrow(_LISTING, listing_id)
    if row is None:
        raise UnknownListing(f"listing {listing_id} is not known; `GET /api/v1/listings` lists them")
    return PricedListing(**dict(row))


async def find_listings(conn: Connection, text: str | None, limit: int = 50) -> list[PricedListing]:
    """Listings whose SKU, title or reference holds a text, by SKU."""
    return [PricedListing(**dict(row)) for row in await conn.fetch(_FIND, like_pattern(text), limit)]


async def competitors(conn: Connection, listing_id: ListingId) -> list[CompetitorView]:
    """Who else sells a listing's product, in the marketplace's order."""
    return [CompetitorView(**dict(row)) for row in await conn.fetch(_COMPETITORS, listing_id)]
