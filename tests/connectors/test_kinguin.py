"""Kinguin: the contract of the kit, against the sandbox over a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import ClassVar

import pytest

from connectors.kinguin import Kinguin
from connectors.kit.contract import AnyConnector, ConnectorContract, account_for
from connectors.sandbox.kinguin import KinguinSandbox
from connectors.sandbox.market import SandboxMarket, SandboxOrder
from core.money.money import Money
from core.types import ListingRef, OfferWanted, PriceBasis


class TestKinguinContract(ConnectorContract):
    """What every connector promises."""

    unknown_listing_ref: ClassVar[ListingRef] = ListingRef("0123456789abcdef01234567")
    callbacks_sign_the_body: ClassVar[bool] = False

    @pytest.fixture
    async def market(self) -> AsyncIterator[KinguinSandbox]:
        async with KinguinSandbox(page_size=5, webhook_retry_seconds=0.5) as market:
            market.add_listing("offer-1", "SKU-1", quantity=5, price_minor=1999)
            market.add_listing("offer-2", "SKU-2", quantity=5, price_minor=2999)
            yield market

    @pytest.fixture
    async def connector(self, market: KinguinSandbox) -> AsyncIterator[Kinguin]:
        async with Kinguin.open(account_for(market)) as connector:
            yield connector

    def add_listings(self, market: SandboxMarket, count: int) -> None:
        for _ in range(count):
            market.add_listing(f"offer-{len(market.listings) + 1}", "SKU-3", price_minor=999)

    async def wanted(
        self,
        market: SandboxMarket,
        connector: AnyConnector,
        listing_ref: ListingRef,
        *,
        quantity: int = 7,
        price_minor: int = 1999,
        on: bool = True,
    ) -> OfferWanted:
        """Kinguin shows the lowest gross price that leaves the same net, so only that can be wanted."""
        assert isinstance(connector, Kinguin)
        price = Money(price_minor, "EUR")
        quote = await connector.quote_fee(listing_ref, price, PriceBasis.GROSS)
        quote = await connector.quote_fee(listing_ref, quote.net, PriceBasis.NET)
        return OfferWanted(listing_ref, quantity, quote.gross, quote.net, on)

    async def put_on_sale(
        self, market: SandboxMarket, connector: AnyConnector, *, quantity: int = 50
    ) -> None:
        """What is declared includes what is reserved already: declare that much more."""
        reserved = self.listing(market).held
        await super().put_on_sale(market, connector, quantity=quantity + reserved)

    async def cancel_at_market(self, market: SandboxMarket, order: SandboxOrder) -> None:
        assert isinstance(market, KinguinSandbox)
        await market.cancel(order.order_ref)
