"""Moves what the tests of Eneba share: a quick market, a connector at it, offers and receivers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from connectors.eneba import Eneba
from connectors.kit.contract import CallbackReceiver, account_for, eventually
from connectors.kit.messages import OfferResult, OfferStatus
from connectors.sandbox.eneba import EnebaSandbox
from connectors.sandbox.eneba_books import Auction, EnebaTerms
from connectors.sandbox.eneba_health import HealthRules
from connectors.sandbox.faults import Faults
from connectors.sandbox.market import SandboxOrder
from core.money.money import Money
from core.types import ListingRef, OfferWanted

FIRST, SECOND = ListingRef("auction-1"), ListingRef("auction-2")
UNKNOWN = ListingRef("00000000-0000-4000-8000-000000000000")
QUICK = EnebaTerms(
    action_delay_seconds=0.04,
    provide_retry_seconds=0.05,
    cancel_retry_seconds=0.05,
    late_seconds=0.1,
    abandon_after_seconds=0.05,
    callback_timeout_seconds=2.0,
)
# A gate that never hides anything, for tests about something else.
LENIENT = HealthRules(lines={}, failures_in_a_row=10**6)


@asynccontextmanager
async def market_with(
    terms: EnebaTerms = QUICK, *, health: HealthRules = LENIENT, faults: Faults | None = None
) -> AsyncIterator[EnebaSandbox]:
    """A market with two auctions of five pieces, EUR 19.99 and 29.99."""
    async with EnebaSandbox(terms=terms, health=health, faults=faults) as market:
        market.add_listing(FIRST, "SKU-1", quantity=5, price_minor=1999)
        market.add_listing(SECOND, "SKU-2", quantity=5, price_minor=2999)
        yield market


@asynccontextmanager
async def connector_at(market: EnebaSandbox, **changed: object) -> AsyncIterator[Eneba]:
    """A connector for this market, with some options changed."""
    options = {**market.connection_options(), **changed}
    async with Eneba.open(account_for(market, options)) as connector:
        yield connector


@asynccontextmanager
async def receiver_for(connector: Eneba) -> AsyncIterator[CallbackReceiver]:
    """A receiver that the market calls."""
    async with CallbackReceiver(connector) as receiver:
        await connector.register_callbacks(receiver.url)
        yield receiver


def offer(
    ref: ListingRef = FIRST, *, quantity: int = 5, price_minor: int = 1999, on: bool = True
) -> OfferWanted:
    price = Money(price_minor, "EUR")
    return OfferWanted(ref, quantity, price, price, on)


def only_quantity(wanted: OfferWanted) -> OfferWanted:
    return replace(wanted, price_changed=False)


def only_price(wanted: OfferWanted) -> OfferWanted:
    return replace(wanted, quantity_changed=False)


def auction(market: EnebaSandbox, ref: ListingRef = FIRST) -> Auction:
    return market.books.auctions[ref]


async def published(connector: Eneba, *offers: OfferWanted) -> list[OfferStatus]:
    return [result.status for result in await results(connector, *offers)]


async def results(connector: Eneba, *offers: OfferWanted) -> list[OfferResult]:
    return list(await connector.publish_offers(offers))


async def ended(order: SandboxOrder | None) -> SandboxOrder:
    """The order once it is neither pending nor paid."""
    assert order is not None, "the market did not sell"
    await eventually(lambda: order.state not in ("pending", "paid"))
    return order
