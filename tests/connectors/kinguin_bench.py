"""What the tests of Kinguin's sales share: purchases, deliveries, and what was pulled or told."""

from __future__ import annotations

from connectors.kinguin import Kinguin
from connectors.kit.contract import CallbackReceiver
from connectors.kit.messages import Delivery, OrdersTold
from connectors.sandbox.kinguin import KinguinSandbox
from connectors.sandbox.market import SandboxOrder
from core.types import ChannelOrder, CodePayload, LineCodes, LineRef, ListingRef, Payment

OFFER = ListingRef("offer-1")


async def bought(market: KinguinSandbox) -> SandboxOrder:
    order = await market.buy(OFFER)
    assert order is not None
    return order


def delivery_of(order: SandboxOrder, code: CodePayload | None = None) -> Delivery:
    codes = [code or CodePayload(f"KEY-{order.order_ref}")]
    return Delivery(order.order_ref, "attempt-1", [LineCodes(LineRef(order.order_ref), OFFER, codes)])


async def pulled(kinguin: Kinguin, cursor: str | None) -> tuple[dict[str, ChannelOrder], str]:
    found: dict[str, ChannelOrder] = {}
    while True:
        page = await kinguin.pull_orders(cursor)
        found |= {order.order_ref: order for order in page.orders}
        cursor = page.cursor
        if not page.more:
            return found, cursor


def told(receiver: CallbackReceiver, order: SandboxOrder) -> set[tuple[Payment, bool]]:
    return {
        (each.payment, each.fulfilled)
        for callback in receiver.callbacks
        if isinstance(callback, OrdersTold)
        for each in callback.orders
        if each.order_ref == order.order_ref
    }
