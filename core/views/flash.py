"""Tells which flash sales there are, how much of each is sold and left, and what a sale will show when."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from core.db.pool import Connection
from core.errors import InvalidInput
from core.types import ListingRef
from core.views.price_policy import Asked, ExplainedPrice, Terms, WindowView, explain_prices, least_prices

_PAGE = 500


@dataclass(frozen=True, slots=True)
class FlashListing:
    """A listing in a flash sale. `state` is to come, on, sold out or over; `left` None: there is no quota."""

    channel: str
    listing_ref: str
    sku_ref: str
    sale: WindowView
    state: str
    left: int | None


@dataclass(frozen=True, slots=True)
class FlashMoment:
    """What a listing shows from a moment on, by today's facts; amounts are the channel's, None: nothing."""

    at: datetime
    what: str
    shown_minor: int | None
    state: str
    at_most: int | None


@dataclass(frozen=True, slots=True)
class FlashPreview:
    """A listing in a sale, what it shows when, and its floor. `remark` says what is not as it was written."""

    listing: FlashListing
    currency: str
    floor_minor: int | None
    moments: tuple[FlashMoment, ...]
    remark: str | None


async def flash_sales(
    conn: Connection, terms: Terms, now: datetime, name: str | None = None
) -> tuple[FlashListing, ...]:
    """Every listing in every sale that the settings have, or in one; those that begin first stand first."""
    found = [each async for price in _prices(conn, terms, now) for each in _sales_of(price, name, now)]
    return tuple(sorted(found, key=lambda each: (each.sale.from_at, each.sale.name, each.channel)))


async def flash_preview(conn: Connection, terms: Terms, now: datetime, name: str) -> tuple[FlashPreview, ...]:
    """What a sale will show, listing by listing. InvalidInput: no sale is called so."""
    sales = await flash_sales(conn, terms, now, name)
    if not sales:
        raise InvalidInput(f"no flash sale is called {name!r}; `consignd flash list` shows those there are")
    return tuple([await _preview(conn, terms, sale, now) for sale in sales])


async def _prices(conn: Connection, terms: Terms, now: datetime) -> AsyncIterator[ExplainedPrice]:
    """Listings on configured channels; those sold to groups have a price of their own, which is no sale."""
    names = {each.name: each for each in terms.values()}
    after = 0
    # Ends with the last listing: each page begins behind the one before.
    while page := await explain_prices(conn, terms, Asked(after=after, limit=_PAGE), now):
        for price in page:
            if ListingRef(price.listing_ref) not in names[price.channel].group_offers:
                yield price
        after = max(price.listing_id for price in page)


def _sales_of(price: ExplainedPrice, name: str | None, now: datetime) -> Sequence[FlashListing]:
    return [
        FlashListing(price.channel, price.listing_ref, price.sku_ref, sale, _state(sale, now), _left(sale))
        for sale in price.windows
        if name is None or sale.name == name
    ]


def _left(sale: WindowView) -> int | None:
    return None if sale.quota is None else max(0, sale.quota - sale.sold)


def _state(sale: WindowView, now: datetime) -> str:
    if now < sale.from_at:
        return "to come"
    if now >= sale.until:
        return "over"
    return "sold out" if _left(sale) == 0 else "on"


async def _preview(conn: Connection, terms: Terms, listing: FlashListing, now: datetime) -> FlashPreview:
    asked, sale = Asked(channel=listing.channel, listing_ref=listing.listing_ref), listing.sale
    plan = [(now, "now")]
    plan += [(sale.from_at, "the sale begins")] if now < sale.from_at else []
    plan += [(sale.until, "the sale is over")] if now < sale.until else []
    moments = []
    for at, what in plan:
        (then,) = await explain_prices(conn, terms, asked, now, None if at == now else at)
        held = listing.left if sale.from_at <= at < sale.until and listing.left else None
        moments.append((FlashMoment(at, what, then.shown_minor, then.state, held), then))
    (floor_minor,) = (await least_prices(conn, terms, asked, now)).values()
    shown = next((then for moment, then in moments if sale.from_at <= moment.at < sale.until), None)
    return FlashPreview(
        listing,
        moments[0][1].currency,
        floor_minor,
        tuple(moment for moment, _ in moments),
        None if shown is None else _remark(sale, listing, shown),
    )


def _remark(sale: WindowView, listing: FlashListing, then: ExplainedPrice) -> str | None:
    """Why the sale's price is not what will be shown."""
    if listing.state == "sold out":
        return "its quota is used up: the usual price is shown"
    if then.shown_minor is None:
        return f"nothing is shown: {then.why or then.state}"
    if sale.currency == then.currency and then.shown_minor != sale.price_minor:
        moves = [
            step
            for before, step in pairwise(then.steps)
            if step.amount_minor != before.amount_minor and step.name != "window"
        ]
        return f"not the sale's price: {moves[-1].name}, {moves[-1].why}" if moves else None
    return None
