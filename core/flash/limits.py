"""Decides whether an order is above what a flash sale has, or a buyer may take of it, once and for good."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.buyers.alike import alike
from core.buyers.buyers import known_buyers
from core.db.pool import Connection
from core.db.queries import load_queries
from core.flash.takes import Taking, take
from core.offers.catalogue import Listing
from core.offers.price.book import PriceBook
from core.offers.price.rule import PriceRule, Span, Window
from core.offers.sku_facts import read_stocks
from core.offers.terms import ChannelTerms
from core.types import ChannelOrder, ListingRef, OrderLine

_SQL = load_queries("core.flash", "claims.sql")
_LOCK_SALE = _SQL["lock_sale"]
_FIND_CLAIM = _SQL["find_claim"]
_PIECES_CLAIMED = _SQL["pieces_claimed"]
_ADD_CLAIM = _SQL["add_claim"]


@dataclass(frozen=True, slots=True)
class TooMuch:
    """Why an order is not to be sold: what its buyer may read of it, and what we know."""

    told: str
    why: str


def limited_sales(book: PriceBook) -> tuple[Span, ...]:
    """When flash sales are on that limit what may be taken; at other times nobody has to look. Pure."""
    layers = [book.everywhere, *(each.layer for each in book.by_sku), book.channel, *book.by_listing.values()]
    windows = [window for layer in layers for window in layer.windows or ()]
    return tuple(Span(window.from_at, window.until) for window in windows if _limits(window))


async def claim_pieces(
    conn: Connection,
    terms: ChannelTerms,
    told: ChannelOrder,
    ours: Sequence[OrderLine],
    listings: Mapping[ListingRef, Listing],
    now: datetime,
) -> TooMuch | None:
    """Claim what an order takes of the flash sales that were on when it was placed; why it is too much.

    In the caller's transaction. What was answered once is answered again. Where the channel does not say who
    buys, nothing can be counted of a buyer.
    """
    if not any(span.holds(told.placed_at) for span in terms.limited_sales):
        return None
    lines: dict[Window, list[OrderLine]] = defaultdict(list)
    rules = await _rules(conn, terms, ours, listings, told.placed_at)
    for line in ours:
        window = window_at(rules[line.listing_ref], told.placed_at)
        if window is not None and _limits(window):
            lines[window].append(line)
    found: TooMuch | None = None
    for window in sorted(lines, key=lambda each: (each.name, each.from_at)):
        await conn.execute(_LOCK_SALE, window.name, window.from_at)
        answer = await _claim_of_buyer(conn, terms, told, window, lines[window], now)
        # Who may not take it leaves it to others.
        answer = answer or await _take_of_quota(conn, terms, told, window, lines[window], listings, now)
        found = found or answer
    return found


def window_at(rule: PriceRule, at: datetime) -> Window | None:
    """The first window that is on at a moment. Pure."""
    return next((window for window in rule.windows if window.from_at <= at < window.until), None)


def is_dearer(window: Window, line: OrderLine) -> bool:
    """Whether a line was sold above the price of a sale. Pure."""
    same_currency = line.unit_price.currency == window.price.currency
    return same_currency and line.unit_price.amount_minor > window.price.amount_minor


def _limits(window: Window) -> bool:
    return window.per_buyer is not None or window.quota is not None


async def _rules(
    conn: Connection,
    terms: ChannelTerms,
    ours: Sequence[OrderLine],
    listings: Mapping[ListingRef, Listing],
    at: datetime,
) -> dict[ListingRef, PriceRule]:
    sku_of = {line.listing_ref: listings[line.listing_ref].sku_id for line in ours}
    stocks = await read_stocks(conn, sorted(set(sku_of.values())), at)
    return {ref: terms.price.rule_for(stocks[sku_id].facts_at(at), ref, at) for ref, sku_id in sku_of.items()}


async def _take_of_quota(
    conn: Connection,
    terms: ChannelTerms,
    told: ChannelOrder,
    window: Window,
    lines: Sequence[OrderLine],
    listings: Mapping[ListingRef, Listing],
    now: datetime,
) -> TooMuch | None:
    """Each listing has a quota of its own; an order is sold whole or not at all."""
    if window.quota is None:
        return None
    found: TooMuch | None = None
    for ref in sorted({line.listing_ref for line in lines}):
        own = [line for line in lines if line.listing_ref == ref]
        taking = Taking(
            channel_id=terms.channel_id,
            order_ref=told.order_ref,
            placed_at=told.placed_at,
            listing_id=listings[ref].listing_id,
            window=window,
            pieces=sum(line.quantity for line in own),
            dearer=all(is_dearer(window, line) for line in own),
        )
        why = await take(conn, taking, now)
        if why is not None and found is None:
            found = TooMuch("the sale was over: all that it had was sold", why)
    return found


async def _claim_of_buyer(
    conn: Connection,
    terms: ChannelTerms,
    told: ChannelOrder,
    window: Window,
    lines: Sequence[OrderLine],
    now: datetime,
) -> TooMuch | None:
    """What was sold above the sale's price was not sold in it: its quota was used up by then."""
    pieces = sum(line.quantity for line in lines if not is_dearer(window, line))
    if window.per_buyer is None or told.buyer_ref is None or pieces == 0:
        return None
    why = f"flash sale {window.name}: a buyer may take {window.per_buyer} of it"
    claim = (terms.channel_id, told.order_ref, window.name, window.from_at)
    known = await conn.fetchrow(_FIND_CLAIM, *claim)
    if known is not None:
        return _above(why) if known["is_over"] else None
    handle = (terms.channel_id, told.buyer_ref)
    buyer = (await known_buyers(conn, [handle], now))[handle]
    persons = sorted(await alike(conn, buyer))
    had: int = await conn.fetchval(_PIECES_CLAIMED, window.name, window.from_at, persons, now)
    is_over = had + pieces > window.per_buyer
    await conn.execute(_ADD_CLAIM, *claim, buyer.buyer_id, pieces, is_over, now)
    if not is_over:
        return None
    return _above(f"{why}, and he has {had} already" if had else why)


def _above(why: str) -> TooMuch:
    return TooMuch("this is more than one buyer may take", why)
