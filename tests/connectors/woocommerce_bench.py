"""Moves what the WooCommerce tests share: a shop, a connector to it, and raw signed calls."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.kit.contract import account_for
from connectors.kit.json import Json
from connectors.kit.messages import Delivery
from connectors.sandbox.woocommerce import WooCommerceSandbox
from connectors.sandbox.woocommerce_shop import ShopOrder
from connectors.woocommerce import WooCommerce
from connectors.woocommerce.signing import Credentials, oauth_parameters
from core.money.money import Money
from core.types import ChannelOrder, CodePayload, LineCodes, ListingRef, OfferWanted

CARD = ListingRef("12")


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 21, 20, 0, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def pass_seconds(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@asynccontextmanager
async def shop(
    kind: type[WooCommerceSandbox] = WooCommerceSandbox, **options: Any
) -> AsyncIterator[WooCommerceSandbox]:
    """A shop with one card in it, whose webhooks leave at once."""
    async with kind(**{"webhook_after_seconds": 0.0, **options}) as market:
        market.add_listing(CARD, "STEAM-20", title="Steam 20", quantity=50, price_minor=2000)
        yield market


def connect(market: WooCommerceSandbox, **options: object) -> WooCommerce:
    """A connector to the shop, signing by the shop's own clock; enter it before use."""
    account = account_for(market, {**market.connection_options(), **options})
    return WooCommerce.open(
        type(account)(account.channel, account.currency, account.options, market.now, account.http)
    )


def offer(ref: str, quantity: int = 7, price_minor: int = 1999, **flags: bool) -> OfferWanted:
    price = Money(price_minor, "EUR")
    on = flags.pop("on", True)
    return OfferWanted(ListingRef(ref), quantity, price, price, on, **flags)


async def bought(market: WooCommerceSandbox, quantity: int = 1) -> ShopOrder:
    order = await market.buy(CARD, quantity)
    assert isinstance(order, ShopOrder)
    return order


async def read_order(connector: WooCommerce, order: ShopOrder) -> ChannelOrder:
    """The order as the connector pulls it."""
    page = await connector.pull_orders(None)
    return next(each for each in page.orders if each.order_ref == order.order_ref)


def delivery(order: ChannelOrder, *codes: str) -> Delivery:
    """These codes over the order's lines, in turn; made-up ones where none are given."""
    left = list(codes) or [
        f"CODE-{order.order_ref}-{n}" for n in range(sum(line.quantity for line in order.lines))
    ]
    lines = []
    for line in order.lines:
        part, left = left[: line.quantity], left[line.quantity :]
        lines.append(LineCodes(line.line_ref, line.listing_ref, [CodePayload(code) for code in part]))
    return Delivery(order.order_ref, f"attempt-{order.order_ref}", lines)


def texts(of: Delivery) -> list[str]:
    return [code.text() for line in of.lines for code in line.codes]


def signed(
    market: WooCommerceSandbox,
    method: str,
    path: str,
    query: Mapping[str, str] | None = None,
    *,
    nonce: str = "a-nonce",
    timestamp: int | None = None,
) -> dict[str, str]:
    """The query of a raw call, with its signature."""
    options = market.connection_options()
    credentials = Credentials(str(options["consumer_key"]), str(options["consumer_secret"]))
    stamp = int(market.now().timestamp()) if timestamp is None else timestamp
    url = f"{market.url}/wp-json/wc/v3{path}"
    oauth = oauth_parameters(method, url, query or {}, credentials, nonce=nonce, timestamp=stamp)
    return {**(query or {}), **oauth}


async def raw(
    market: WooCommerceSandbox, method: str, path: str, params: Mapping[str, str], **options: Any
) -> tuple[int, Json]:
    """One call past the connector: the status and the body."""
    assert market.client is not None
    url = f"{market.url}/wp-json/wc/v3{path}"
    async with market.client.request(method, url, params=dict(params), **options) as reply:
        body: Json = await reply.json()
        return reply.status, body
