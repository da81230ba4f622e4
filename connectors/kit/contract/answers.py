"""Decides whether the market understands a connector's answers to its questions."""

from __future__ import annotations

from connectors.kit.abilities import AnswersReservations
from connectors.kit.contract.base import ContractBase
from connectors.kit.contract.bench import AnyConnector, bounded, eventually, having, texts
from connectors.kit.contract.receiver import CallbackReceiver, Provide
from connectors.kit.messages import CancelAsked, ProvideAsked, ReserveAsked
from connectors.sandbox.market import SandboxMarket, SandboxOrderState
from core.types import Payment

_TAKEN_BACK = (SandboxOrderState.CANCELLED, SandboxOrderState.REFUNDED)


class AnswersContract(ContractBase):
    """Reserve, provide, provide later and cancel, through a receiver that the market really calls."""

    async def ready(
        self, market: SandboxMarket, connector: AnyConnector, receiver: CallbackReceiver | None
    ) -> CallbackReceiver:
        having(connector, AnswersReservations)
        assert receiver is not None
        await self.put_on_sale(market, connector)
        return receiver

    @bounded
    async def test_a_granted_reservation_gets_its_codes(
        self, market: SandboxMarket, connector: AnyConnector, callback_receiver: CallbackReceiver | None
    ) -> None:
        receiver = await self.ready(market, connector, callback_receiver)
        order = await market.buy(self.listing(market).listing_ref, 2)
        assert order is not None
        await eventually(lambda: order.codes)
        assert sorted(order.codes) == texts(receiver.codes(order.order_ref))
        asked = receiver.order(order.order_ref)
        assert asked is not None
        assert asked.payment is Payment.PENDING
        assert [(line.listing_ref, line.quantity) for line in asked.lines] == [(order.listing_ref, 2)]
        assert receiver.asked(ReserveAsked) == 1

    @bounded
    async def test_a_refused_reservation_sells_nothing(
        self, market: SandboxMarket, connector: AnyConnector, callback_receiver: CallbackReceiver | None
    ) -> None:
        receiver = await self.ready(market, connector, callback_receiver)
        receiver.grants = False
        assert await market.buy(self.listing(market).listing_ref) is None
        assert receiver.asked(ReserveAsked) == 1
        assert receiver.asked(ProvideAsked) == 0
        assert not any(order.codes for order in market.orders.values())

    @bounded
    async def test_the_market_asks_again_when_codes_come_later(
        self, market: SandboxMarket, connector: AnyConnector, callback_receiver: CallbackReceiver | None
    ) -> None:
        receiver = await self.ready(market, connector, callback_receiver)
        receiver.provides = Provide.LATER
        order = await market.buy(self.listing(market).listing_ref)
        assert order is not None
        await eventually(lambda: receiver.asked(ProvideAsked))
        assert not order.codes
        receiver.provides = Provide.NOW
        await eventually(lambda: order.codes, seconds=40)
        assert sorted(order.codes) == texts(receiver.codes(order.order_ref))

    @bounded
    async def test_codes_that_never_come_end_the_order(
        self, market: SandboxMarket, connector: AnyConnector, callback_receiver: CallbackReceiver | None
    ) -> None:
        receiver = await self.ready(market, connector, callback_receiver)
        receiver.provides = Provide.NEVER
        order = await market.buy(self.listing(market).listing_ref)
        assert order is not None
        await eventually(lambda: order.state in _TAKEN_BACK, seconds=40)
        assert not order.codes

    @bounded
    async def test_an_abandoned_order_is_cancelled(
        self, market: SandboxMarket, connector: AnyConnector, callback_receiver: CallbackReceiver | None
    ) -> None:
        receiver = await self.ready(market, connector, callback_receiver)
        await market.buy(self.listing(market).listing_ref, abandon=True)
        await eventually(lambda: receiver.asked(CancelAsked))
        assert receiver.refusals == []
        await eventually(lambda: all(order.state in _TAKEN_BACK for order in market.orders.values()))

    @bounded
    async def test_the_same_question_gets_the_same_answer(
        self, market: SandboxMarket, connector: AnyConnector, callback_receiver: CallbackReceiver | None
    ) -> None:
        receiver = await self.ready(market, connector, callback_receiver)
        order = await market.buy(self.listing(market).listing_ref)
        assert order is not None
        await eventually(lambda: order.codes)
        asked, lines = ProvideAsked(order.order_ref), receiver.codes(order.order_ref)
        answering = having(connector, AnswersReservations)
        assert answering.answer_provide(asked, lines) == answering.answer_provide(asked, lines)
        assert order.codes[0] not in repr(answering.answer_provide(asked, lines))
