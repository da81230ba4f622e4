"""Tells everything about one listing's price: how it comes about, who else sells, what changed and waits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from core.db.pool import Connection
from core.types import ListingId
from core.views.price_policy import Asked, ExplainedPrice, Terms, WindowView, explain_prices
from core.views.prices import (
    ChangeView,
    CompetitorView,
    ExceptionView,
    HoldView,
    PricedListing,
    changes,
    competitors,
    exceptions,
    holds,
    priced_listing,
)

_CHANGES = 100
_HOLDS = 20
_PREVIEWS = 6


@dataclass(frozen=True, slots=True)
class WindowPreview:
    """A window that is on or to come, and what the listing will show while it is; None: nothing."""

    window: WindowView
    on: bool
    shown_minor: int | None
    state: str


@dataclass(frozen=True, slots=True)
class PriceLadder:
    """A listing's price from all sides. `price` None: its channel is not configured."""

    listing: PricedListing
    price: ExplainedPrice | None
    windows: tuple[WindowPreview, ...]
    competitors: tuple[CompetitorView, ...]
    changes: tuple[ChangeView, ...]
    holds: tuple[HoldView, ...]
    exceptions: tuple[ExceptionView, ...]


async def price_ladder(conn: Connection, terms: Terms, listing_id: ListingId, now: datetime) -> PriceLadder:
    """Worked out now; UnknownListing if there is none of that number."""
    listing = await priced_listing(conn, listing_id)
    asked = Asked(channel=listing.channel, listing_ref=listing.listing_ref)
    found = await explain_prices(conn, terms, asked, now)
    price = found[0] if found else None
    return PriceLadder(
        listing=listing,
        price=price,
        windows=await _previews(conn, terms, asked, price, now),
        competitors=tuple(await competitors(conn, listing_id)),
        changes=tuple(await changes(conn, listing_id, _CHANGES)),
        holds=tuple(await holds(conn, everything=True, listing_id=listing_id, limit=_HOLDS)),
        exceptions=tuple(await exceptions(conn, now, everything=True, listing_id=listing_id, limit=_HOLDS)),
    )


async def _previews(
    conn: Connection, terms: Terms, asked: Asked, price: ExplainedPrice | None, now: datetime
) -> tuple[WindowPreview, ...]:
    """What windows will make of the price as they begin, with today's facts."""
    previews = []
    ahead = [window for window in price.windows if window.until > now] if price else []
    for window in sorted(ahead, key=lambda each: each.from_at)[:_PREVIEWS]:
        on = window.from_at <= now
        (then,) = await explain_prices(conn, terms, asked, now, None if on else window.from_at)
        previews.append(WindowPreview(window, on, then.shown_minor, then.state))
    return tuple(previews)
