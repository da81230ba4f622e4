"""Decides whether a connector delivers once, and tells the truth about it."""

from __future__ import annotations

import contextlib
import json
import logging

import pytest
from structlog.testing import capture_logs

from connectors.kit.abilities import DeliversCodes
from connectors.kit.contract.base import ContractBase
from connectors.kit.contract.bench import AnyConnector, bounded, having, patience, texts
from connectors.kit.contract.receiver import CallbackReceiver
from connectors.kit.errors import ChannelRefused, OutcomeUnknown, TryLater
from connectors.kit.messages import Delivery, DeliveryFound
from connectors.sandbox.faults import Fault
from connectors.sandbox.market import SandboxMarket, SandboxOrder

_ROUNDS = 6


class DeliveryContract(ContractBase):
    """Handing codes over in a call, and asking what became of it."""

    async def awaiting(
        self, market: SandboxMarket, connector: AnyConnector, receiver: CallbackReceiver | None
    ) -> tuple[DeliversCodes, SandboxOrder, Delivery]:
        delivering = having(connector, DeliversCodes)
        await self.put_on_sale(market, connector)
        order, read = await self.paid_order(market, connector, receiver)
        return delivering, order, self.delivery(read)

    @bounded
    async def test_the_market_has_exactly_the_codes_delivered(
        self, market: SandboxMarket, connector: AnyConnector, callback_receiver: CallbackReceiver | None
    ) -> None:
        delivering, order, delivery = await self.awaiting(market, connector, callback_receiver)
        found = await delivering.find_delivery(delivery.order_ref, delivery.attempt_key)
        assert found is DeliveryFound.NOT_DELIVERED
        await delivering.deliver_codes(delivery)
        assert sorted(order.codes) == texts(delivery.lines)
        found = await delivering.find_delivery(delivery.order_ref, delivery.attempt_key)
        assert found is DeliveryFound.DELIVERED

    @bounded
    async def test_delivering_again_changes_nothing(
        self, market: SandboxMarket, connector: AnyConnector, callback_receiver: CallbackReceiver | None
    ) -> None:
        delivering, order, delivery = await self.awaiting(market, connector, callback_receiver)
        later = Delivery(delivery.order_ref, delivery.attempt_key + "-later", delivery.lines)
        for attempt in (delivery, delivery, later):
            await delivering.deliver_codes(attempt)
            assert sorted(order.codes) == texts(delivery.lines)
        assert market.counts().duplicates_received == 0

    @bounded
    @pytest.mark.parametrize("after", [0, 1, 2, 3])
    @pytest.mark.parametrize(
        "fault", [Fault.TOO_MANY_REQUESTS, Fault.SERVER_ERROR, Fault.DROPPED_CONNECTION, Fault.LOST_REPLY]
    )
    async def test_a_delivery_ends_once_through_a_fault(
        self,
        market: SandboxMarket,
        connector: AnyConnector,
        callback_receiver: CallbackReceiver | None,
        fault: Fault,
        after: int,
    ) -> None:
        delivering, order, delivery = await self.awaiting(market, connector, callback_receiver)
        market.faults.once(fault, after)
        for _ in range(_ROUNDS):
            if await self._one_attempt(delivering, order, delivery):
                break
        assert sorted(order.codes) == texts(delivery.lines)
        assert market.counts().duplicates_received == 0

    @staticmethod
    async def _one_attempt(delivering: DeliversCodes, order: SandboxOrder, delivery: Delivery) -> bool:
        """Deliver as the daemon does: after an unknown outcome it asks, and the answer must be true."""
        try:
            await delivering.deliver_codes(delivery)
        except TryLater as later:
            await patience(later)
            return False
        except OutcomeUnknown:
            found = await delivering.find_delivery(delivery.order_ref, delivery.attempt_key)
            if found is not DeliveryFound.UNKNOWN:
                assert (found is DeliveryFound.DELIVERED) == bool(order.codes)
            return found is DeliveryFound.DELIVERED
        assert order.codes, "deliver_codes returned, but the market has no codes"
        return True

    @bounded
    async def test_a_lost_reply_is_resolved_by_asking(
        self, market: SandboxMarket, connector: AnyConnector, callback_receiver: CallbackReceiver | None
    ) -> None:
        delivering, order, delivery = await self.awaiting(market, connector, callback_receiver)
        for request in range(_ROUNDS):
            market.faults.off()
            market.faults.once(Fault.LOST_REPLY, request)
            with contextlib.suppress(OutcomeUnknown, TryLater):
                await delivering.deliver_codes(delivery)
            market.faults.off()
            if order.codes:
                break
        found = await delivering.find_delivery(delivery.order_ref, delivery.attempt_key)
        assert found is DeliveryFound.DELIVERED
        assert market.counts().duplicates_received == 0

    @bounded
    async def test_an_order_cancelled_meanwhile_is_refused(
        self, market: SandboxMarket, connector: AnyConnector, callback_receiver: CallbackReceiver | None
    ) -> None:
        delivering, order, delivery = await self.awaiting(market, connector, callback_receiver)
        await self.cancel_at_market(market, order)
        with pytest.raises(ChannelRefused):
            await delivering.deliver_codes(delivery)
        assert not order.codes

    @bounded
    async def test_no_code_is_told(
        self,
        market: SandboxMarket,
        connector: AnyConnector,
        callback_receiver: CallbackReceiver | None,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        delivering, order, delivery = await self.awaiting(market, connector, callback_receiver)
        market.faults.once(Fault.LOST_REPLY)
        with capture_logs() as events, caplog.at_level(logging.DEBUG):
            for _ in range(_ROUNDS):
                if await self._one_attempt(delivering, order, delivery):
                    break
        shown = [repr(delivery), json.dumps(events, default=repr), caplog.text, repr(connector)]
        for code in texts(delivery.lines):
            assert not any(code in text for text in shown)
