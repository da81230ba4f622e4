"""Moves a person's word on an order to core and to its channel, for API, console and command line alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from connectors.kit.abilities import CancelsOrders
from core.db.pool import Pool
from core.errors import MoveRefused
from core.orders.decisions import approve, begin_cancel, finish_cancel
from core.orders.intake import Intake, judge_paid
from core.orders.orders import Order, load_order
from core.orders.risk import RiskVerdict
from core.types import OrderId, OrderState
from web.services import ServedChannel


@dataclass(frozen=True, slots=True)
class Ended:
    """How an order was ended; `given_back`: the channel was told to give the money back."""

    order_id: OrderId
    state: OrderState
    given_back: bool
    told: str


@dataclass(frozen=True, slots=True)
class Decisions:
    """What people decide about orders."""

    pool: Pool
    intake: Intake
    channels: Mapping[str, ServedChannel]
    now: Callable[[], datetime]

    async def approve(self, order_id: OrderId, *, actor: str, reason: str) -> Order:
        """Let a held order through; MoveRefused while its money is on the way back."""
        async with self.pool.acquire() as conn:
            order = await load_order(conn, order_id)
        served = self._channel_of(order)
        if served is not None and isinstance(served.connector, CancelsOrders):
            judgement = judge_paid(served.terms, order)
            if order.state is OrderState.HELD and judgement.verdict is RiskVerdict.REFUSE:
                raise MoveRefused(
                    f"order {order_id}: its money is on the way back ({judgement.why}); to sell at such "
                    f"prices raise refuse_above of {served.terms.name}"
                )
        return await approve(self.pool, order_id, now=self.now(), actor=actor, reason=reason)

    async def cancel(self, order_id: OrderId, *, actor: str, reason: str) -> Ended:
        """End an order that waits, at its channel first where that is possible.

        Raises MoveRefused when its codes may be out, and the connector's error when the channel would not:
        the order then waits for a person, held.
        """
        order = await begin_cancel(self.pool, order_id, now=self.now(), actor=actor, reason=reason)
        paid = order.state is not OrderState.RESERVED
        served = self._channel_of(order)
        given_back = False
        if paid and served is not None and isinstance(served.connector, CancelsOrders):
            # Buyers may read the channel's reason: the person's own words stay here.
            await served.connector.cancel_order(order.order_ref, "cancelled by the seller")
            given_back = True
        state = await finish_cancel(self.pool, self.intake, order_id, actor=actor, reason=reason)
        told = f"order {order_id} is {state}"
        if given_back:
            told += "; the channel gives the money back"
        elif paid:
            told += f"; the channel cannot be told: refund {order.order_ref} there yourself"
        return Ended(order_id, state, given_back, told)

    def _channel_of(self, order: Order) -> ServedChannel | None:
        """The order's channel; None when it is not configured any more."""
        for served in self.channels.values():
            if served.terms.channel_id == order.channel_id:
                return served
        return None
