"""Decides what an author hands to the contract suite: two fixtures, and a few answers about the market."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import ClassVar

import pytest

from connectors.kit.abilities import (
    AnswersReservations,
    DeliversCodes,
    PublishesOffers,
    PullsOrders,
    QuotesFees,
    ReceivesCallbacks,
    RegistersCallbacks,
)
from connectors.kit.contract.bench import AnyConnector, codes_for, eventually, every_order, having
from connectors.kit.contract.receiver import CallbackReceiver
from connectors.kit.messages import CallbackRequest, Delivery, OfferStatus
from connectors.sandbox.market import SandboxListing, SandboxMarket, SandboxOrder, SandboxOrderState
from core.money.money import Money
from core.types import ChannelOrder, ListingRef, OfferWanted, PriceBasis


class ContractBase:
    """What all parts of the suite share. Authors override what is in the first half."""

    # A reference of the right form that names no listing.
    unknown_listing_ref: ClassVar[ListingRef] = ListingRef("999999999")
    # False where a callback is authenticated by a header alone, so that a changed body cannot be noticed.
    callbacks_sign_the_body: ClassVar[bool] = True
    # How many orders make pull_orders need a second page at the sandbox.
    orders_for_paging: ClassVar[int] = 12

    @pytest.fixture
    def market(self) -> SandboxMarket:
        """A started sandbox market with two listings or more."""
        raise AssertionError("a contract test class has a fixture `market`: see ConnectorContract")

    @pytest.fixture
    def connector(self) -> AnyConnector:
        """The connector, opened with `account_for(market)` and entered."""
        raise AssertionError("a contract test class has a fixture `connector`: see ConnectorContract")

    @pytest.fixture
    async def callback_receiver(
        self, market: SandboxMarket, connector: AnyConnector
    ) -> AsyncIterator[CallbackReceiver | None]:
        """Where the market's callbacks arrive; None for a connector that receives none."""
        if not isinstance(connector, ReceivesCallbacks):
            yield None
            return
        async with CallbackReceiver(connector) as receiver:
            await self.point_callbacks(market, connector, receiver.url)
            yield receiver

    async def point_callbacks(self, market: SandboxMarket, connector: AnyConnector, url: str) -> None:
        """Make the market call this address; override it where no call of the protocol does that."""
        assert isinstance(connector, RegistersCallbacks), (
            f"{type(connector).__name__} receives callbacks but does not inherit RegistersCallbacks: "
            "override point_callbacks to tell the sandbox market where to call"
        )
        await connector.register_callbacks(url)

    def sign_callback(
        self, market: SandboxMarket, connector: AnyConnector, genuine: CallbackRequest, body: bytes
    ) -> CallbackRequest:
        """A request with another body that the market authenticated; override where the body is signed."""
        return CallbackRequest(genuine.method, genuine.path, genuine.headers, genuine.query, body)

    def add_listings(self, market: SandboxMarket, count: int) -> None:
        """Put up so many listings more that list_offers needs a second page; override to test paging."""
        pytest.skip("add_listings is not overridden: paging of list_offers is not tested")

    async def cancel_at_market(self, market: SandboxMarket, order: SandboxOrder) -> None:
        """The buyer cancels a paid order that has no codes yet."""
        order.state = SandboxOrderState.CANCELLED

    # What the tests are made of.

    @staticmethod
    def listing(market: SandboxMarket, index: int = 0) -> SandboxListing:
        assert len(market.listings) >= 2, "the contract needs a market with two listings or more"
        return list(market.listings.values())[index]

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
        """An offer whose two prices agree by the channel's own sum where it has a calculator."""
        price = net = Money(price_minor, market.currency)
        if isinstance(connector, QuotesFees) and listing_ref in market.listings:
            quote = await connector.quote_fee(listing_ref, price, PriceBasis.GROSS)
            if connector.traits.written_price is PriceBasis.NET:
                quote = await connector.quote_fee(listing_ref, quote.net, PriceBasis.NET)
            price, net = quote.gross, quote.net
        return OfferWanted(listing_ref, quantity, price, net, on)

    async def put_on_sale(
        self, market: SandboxMarket, connector: AnyConnector, *, quantity: int = 50
    ) -> None:
        """Make the first listing buyable, through the connector where it can publish."""
        listing = self.listing(market)
        if not isinstance(connector, PublishesOffers):
            market.edit_by_hand(listing.listing_ref, quantity=quantity, price_minor=1999)
            return
        offer = await self.wanted(market, connector, listing.listing_ref, quantity=quantity)
        results = await connector.publish_offers([offer])
        assert [result.status for result in results] == [OfferStatus.PUBLISHED], results

    async def paid_order(
        self, market: SandboxMarket, connector: AnyConnector, receiver: CallbackReceiver | None
    ) -> tuple[SandboxOrder, ChannelOrder]:
        """An order that was paid at the market, as the market knows it and as the connector read it."""
        order = await market.buy(self.listing(market).listing_ref)
        assert order is not None, "the market did not sell a listing that is on and in stock"
        return order, await self.order_told(connector, receiver, order)

    async def order_told(
        self, connector: AnyConnector, receiver: CallbackReceiver | None, order: SandboxOrder
    ) -> ChannelOrder:
        """The order as the connector tells it, by callback or by pulling."""
        if isinstance(connector, PullsOrders):
            orders, _ = await every_order(connector, None)
            mine = [pulled for pulled in orders if pulled.order_ref == order.order_ref]
            assert mine, f"pull_orders does not report order {order.order_ref}"
            return mine[-1]
        assert receiver is not None, f"{type(connector).__name__} neither pulls orders nor receives callbacks"
        return await eventually(lambda: receiver.order(order.order_ref))

    async def sold(
        self, market: SandboxMarket, connector: AnyConnector, receiver: CallbackReceiver | None
    ) -> SandboxOrder:
        """A sale from start to end: bought, and its codes with the market."""
        if isinstance(connector, AnswersReservations):
            order = await market.buy(self.listing(market).listing_ref)
            assert order is not None, "the market did not sell although the reservation was granted"
        else:
            order, read = await self.paid_order(market, connector, receiver)
            await having(connector, DeliversCodes).deliver_codes(self.delivery(read))
        await eventually(lambda: order.codes)
        return order

    @staticmethod
    def delivery(order: ChannelOrder, attempt: int = 1) -> Delivery:
        return Delivery(order.order_ref, f"{order.order_ref}-attempt-{attempt}", codes_for(order))

    @staticmethod
    def by_ref(orders: Sequence[ChannelOrder]) -> set[str]:
        return {str(order.order_ref) for order in orders}
