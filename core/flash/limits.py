"""Decides whether an order is above what one buyer may take of a flash sale, once and for good."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from core.buyers.alike import alike
from core.buyers.buyers import known_buyers
from core.db.pool import Connection
from core.db.queries import load_queries
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


def limited_sales(book: PriceBook) -> tuple[Span, ...]:
    """When flash sales are on that limit what a buyer takes; at other times nobody has to look. Pure."""
    layers = [book.everywhere, *(each.layer for each in book.by_sku), book.channel, *book.by_listing.values()]
    windows = [window for layer in layers for window in layer.windows or ()]
    return tuple(Span(window.from_at, window.until) for window in windows if window.per_buyer is not None)


async def claim_pieces(
    conn: Connection,
    terms: ChannelTerms,
    told: ChannelOrder,
    ours: Sequence[OrderLine],
    listings: Mapping[ListingRef, Listing],
    now: datetime,
) -> str | None:
    """Claim what an order takes of the flash sales that were on when it was placed; why it is too much.

    In the caller's transaction. What was answered once is answered again. Where the channel does not say who
    buys nothing can be counted.
    """
    if told.buyer_ref is None or not any(span.holds(told.placed_at) for span in terms.limited_sales):
        return None
    pieces: Counter[Window] = Counter()
    rules = await _rules(conn, terms, ours, listings, told.placed_at)
    for line in ours:
        window = limiting(rules[line.listing_ref], line, told.placed_at)
        if window is not None:
            pieces[window] += line.quantity
    answers = [
        await _claim(conn, terms, told, window, pieces[window], now)
        for window in sorted(pieces, key=lambda each: (each.name, each.from_at))
    ]
    return next((why for why in answers if why is not None), None)


def limiting(rule: PriceRule, line: OrderLine, at: datetime) -> Window | None:
    """The flash sale that a line was sold in, if it limits what a buyer may take. Pure.

    What was sold above the sale's price was not sold in it: its quota was used up by then.
    """
    for window in rule.windows:
        if window.from_at <= at < window.until:
            dearer = (
                line.unit_price.currency == window.price.currency
                and line.unit_price.amount_minor > window.price.amount_minor
            )
            return None if dearer or window.per_buyer is None else window
    return None


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


async def _claim(
    conn: Connection, terms: ChannelTerms, told: ChannelOrder, window: Window, pieces: int, now: datetime
) -> str | None:
    assert window.per_buyer is not None, "only sales with a limit are claimed"
    assert told.buyer_ref is not None, "only buyers who are known are counted"
    why = f"flash sale {window.name}: a buyer may take {window.per_buyer} of it"
    await conn.execute(_LOCK_SALE, window.name, window.from_at)
    claim = (terms.channel_id, told.order_ref, window.name, window.from_at)
    known = await conn.fetchrow(_FIND_CLAIM, *claim)
    if known is not None:
        return why if known["is_over"] else None
    handle = (terms.channel_id, told.buyer_ref)
    buyer = (await known_buyers(conn, [handle], now))[handle]
    persons = sorted(await alike(conn, buyer))
    had: int = await conn.fetchval(_PIECES_CLAIMED, window.name, window.from_at, persons, now)
    is_over = had + pieces > window.per_buyer
    await conn.execute(_ADD_CLAIM, *claim, buyer.buyer_id, pieces, is_over, now)
    return f"{why}, and he has {had} already" if is_over and had else why if is_over else None
