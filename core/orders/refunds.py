"""Keeps which orders' money has to go back, from the decision until the channel or a person has done it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core.audit import note
from core.db.pool import Connection
from core.db.queries import load_queries
from core.errors import MoveRefused, StaleVersion
from core.orders.orders import Order, load_order, load_orders, set_due
from core.types import ChannelId, OrderId, OrderRef, OrderState

_SQL = load_queries("core.orders", "refunds.sql")
_ADD_REFUND = _SQL["add_refund"]
_HOLD_OPEN_ORDERS = _SQL["hold_open_orders"]
_FIND_REFUND = _SQL["find_refund"]
_SETTLE_REFUND = _SQL["settle_refund"]
_OWED_REFUNDS = _SQL["owed_refunds"]


@dataclass(frozen=True, slots=True)
class RefundDue:
    """Whose decision it is that the money goes back, what the buyer may read of it, and what we know."""

    actor: str
    told: str
    why: str


@dataclass(frozen=True, slots=True)
class OwedRefund:
    """An order that ended while the channel could not give its money back. Minor units of `currency`."""

    order_id: OrderId
    channel: str
    order_ref: str
    decided_at: datetime
    why: str
    currency: str
    amount_minor: int


async def decide_refund(
    conn: Connection, channel_id: ChannelId, order_ref: OrderRef, due: RefundDue, now: datetime
) -> None:
    """Write down that an order's money goes back, also before the order itself is written."""
    await conn.execute(_ADD_REFUND, channel_id, order_ref, now, due.actor, due.told, due.why)


async def send_back(conn: Connection, order_ids: Sequence[OrderId], due: RefundDue, now: datetime) -> None:
    """Decide that the money of held orders goes back, and have their channels' loops see to it at once.

    StaleVersion when somebody ended one meanwhile, or let it through: nothing must be owed to it then.
    """
    await conn.execute(_HOLD_OPEN_ORDERS, order_ids)
    # A statement of its own: it sees what others wrote while we waited.
    orders = await load_orders(conn, order_ids)
    if moved := [order.order_ref for order in orders if order.state is not OrderState.HELD]:
        raise StaleVersion(f"order {', '.join(moved)}: somebody moved it at the same moment; look again")
    for order in orders:
        await decide_refund(conn, order.channel_id, order.order_ref, due, now)
        await set_due(conn, order.order_id, now, failed=False)


async def find_refund(conn: Connection, channel_id: ChannelId, order_ref: OrderRef) -> RefundDue | None:
    """What was decided of an order and is not done yet."""
    row = await conn.fetchrow(_FIND_REFUND, channel_id, order_ref)
    return None if row is None else RefundDue(**dict(row))


async def settle_refund(conn: Connection, order: Order, now: datetime, *, actor: str, how: str) -> bool:
    """The money is back, or nobody waits for it any more; whether it was due at all."""
    done = await conn.execute(_SETTLE_REFUND, order.channel_id, order.order_ref, now, actor, how)
    return not done.endswith(" 0")


async def settle_by_hand(conn: Connection, order_id: OrderId, now: datetime, *, actor: str, how: str) -> None:
    """A person gave the money back at the channel. MoveRefused: nothing is owed to that order."""
    order = await load_order(conn, order_id)
    ended = order.state is OrderState.CANCELLED
    if not (ended and await settle_refund(conn, order, now, actor=actor, how=how)):
        raise MoveRefused(
            f"order {order_id} is owed no refund; `consignd groups refunds` lists those that are"
        )
    await note(conn, at=now, actor=actor, action="refund", subject=f"order {order_id}", reason=how)


async def owed_refunds(conn: Connection, limit: int = 1000) -> tuple[OwedRefund, ...]:
    """The oldest first."""
    return tuple(OwedRefund(**dict(row)) for row in await conn.fetch(_OWED_REFUNDS, limit))
