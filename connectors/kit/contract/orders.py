"""Decides whether a connector loses an order while it pulls."""

from __future__ import annotations

import pytest

from connectors.kit.abilities import AnswersReservations, CancelsOrders, DeliversCodes, PullsOrders
from connectors.kit.contract.base import ContractBase
from connectors.kit.contract.bench import AnyConnector, bounded, eventually, every_order, having
from connectors.kit.contract.receiver import CallbackReceiver
from connectors.sandbox.market import SandboxMarket, SandboxOrder, SandboxOrderState
from core.types import Payment


class OrdersContract(ContractBase):
    """Pulling with a cursor, and cancelling."""

    @bounded
    async def test_no_orders_is_an_empty_page_with_a_cursor(self, connector: AnyConnector) -> None:
        orders, cursor = await every_order(having(connector, PullsOrders), None)
        assert orders == []
        assert isinstance(cursor, str)

    @bounded
    async def test_every_order_is_pulled(
        self, market: SandboxMarket, connector: AnyConnector, callback_receiver: CallbackReceiver | None
    ) -> None:
        puller = having(connector, PullsOrders)
        placed = await self._buy(market, connector, self.orders_for_paging)
        orders, _ = await every_order(puller, None)
        assert {order.order_ref for order in placed} <= self.by_ref(orders)

    @bounded
    async def test_an_order_is_read_as_it_was_placed(
        self, market: SandboxMarket, connector: AnyConnector, callback_receiver: CallbackReceiver | None
    ) -> None:
        puller = having(connector, PullsOrders)
        [order] = await self._buy(market, connector, 1)
        orders, _ = await every_order(puller, None)
        read = next(each for each in orders if each.order_ref == order.order_ref)
        assert read.payment is Payment.PAID
        assert read.placed_at.tzinfo is not None
        assert [(line.listing_ref, line.quantity) for line in read.lines] == [(order.listing_ref, 1)]
        assert read.lines[0].unit_price.amount_minor == order.unit_price_minor
        assert read.lines[0].unit_price.currency == market.currency

    @bounded
    async def test_a_cursor_can_be_used_again_and_loses_nothing(
        self, market: SandboxMarket, connector: AnyConnector, callback_receiver: CallbackReceiver | None
    ) -> None:
        puller = having(connector, PullsOrders)
        await self._buy(market, connector, 2)
        _, cursor = await every_order(puller, None)
        later = {order.order_ref for order in await self._buy(market, connector, self.orders_for_paging)}
        first, end = await every_order(puller, cursor)
        again, _ = await every_order(puller, cursor)
        assert later <= self.by_ref(first)
        assert later <= self.by_ref(again)
        after_all = {order.order_ref for order in await self._buy(market, connector, 1)}
        last, _ = await every_order(puller, end)
        assert after_all <= self.by_ref(last)

    @bounded
    async def test_an_order_placed_between_two_pages_is_not_lost(
        self, market: SandboxMarket, connector: AnyConnector, callback_receiver: CallbackReceiver | None
    ) -> None:
        puller = having(connector, PullsOrders)
        placed = await self._buy(market, connector, self.orders_for_paging)
        page = await puller.pull_orders(None)
        placed += await self._buy(market, connector, 1)
        rest, _ = await every_order(puller, page.cursor)
        assert {order.order_ref for order in placed} <= self.by_ref(page.orders) | self.by_ref(rest)

    @bounded
    async def test_a_refund_at_the_market_is_pulled(
        self, market: SandboxMarket, connector: AnyConnector, callback_receiver: CallbackReceiver | None
    ) -> None:
        puller = having(connector, PullsOrders)
        await self.put_on_sale(market, connector)
        order = await self.sold(market, connector, callback_receiver)
        _, cursor = await every_order(puller, None)
        await market.refund(order.order_ref)
        orders, _ = await every_order(puller, cursor)
        states = [each.payment for each in orders if each.order_ref == order.order_ref]
        assert states[-1:] == [Payment.REFUNDED]

    @bounded
    async def test_cancelling_gives_the_money_back_once(
        self, market: SandboxMarket, connector: AnyConnector, callback_receiver: CallbackReceiver | None
    ) -> None:
        canceller = having(connector, CancelsOrders)
        if isinstance(connector, AnswersReservations) and not isinstance(connector, DeliversCodes):
            pytest.skip("the channel asks for the codes itself: no paid order waits to be cancelled")
        await self.put_on_sale(market, connector)
        order, read = await self.paid_order(market, connector, callback_receiver)
        for _ in range(2):
            await canceller.cancel_order(read.order_ref, "out of stock")
            assert await eventually(lambda: _taken_back(order))
        assert not order.codes

    async def _buy(self, market: SandboxMarket, connector: AnyConnector, count: int) -> list[SandboxOrder]:
        await self.put_on_sale(market, connector, quantity=count + 5)
        placed = [await market.buy(self.listing(market).listing_ref) for _ in range(count)]
        orders = [order for order in placed if order is not None]
        assert len(orders) == count, "the market did not sell a listing that is on and in stock"
        return orders


def _taken_back(order: SandboxOrder) -> bool:
    return order.state in (SandboxOrderState.CANCELLED, SandboxOrderState.REFUNDED)
