"""Decides what a person may say of an order: let it through, or end it."""

from __future__ import annotations

from datetime import datetime, timedelta

from core.audit import note
from core.db.pool import Pool
from core.errors import MoveRefused, StaleVersion
from core.group_buying.seats import leave_seat
from core.orders.intake import Intake
from core.orders.orders import Order, load_order, move_orders, set_due
from core.orders.refunds import find_refund
from core.types import OrderId, OrderState

_S = OrderState
# The others end by themselves, or their codes may be out already.
_ENDED_BY_HAND = frozenset({_S.HELD, _S.RESERVED, _S.PARKED, _S.ACCEPTED})
# While a person's cancellation is carried to the channel, the daemon leaves the order alone.
_LEFT_ALONE = timedelta(seconds=60)
_TRIES = 5


async def approve(pool: Pool, order_id: OrderId, *, now: datetime, actor: str, reason: str) -> Order:
    """Let a held order through: it is delivered from here on.

    MoveRefused unless it is held, and while its money is on the way back.
    """
    async with pool.acquire() as conn, conn.transaction():
        # Whoever decides that its money goes back holds this row, too.
        await set_due(conn, order_id, now, failed=False)
        order = await load_order(conn, order_id)
        if order.state is not _S.HELD:
            raise MoveRefused(f"order {order_id} is {order.state}: only a held order is approved")
        if await find_refund(conn, order.channel_id, order.order_ref) is not None:
            raise MoveRefused(f"order {order_id}: its money is on the way back")
        [moved] = await move_orders(conn, [order], _S.ACCEPTED, now=now, actor=actor, reason=reason)
        await note(conn, at=now, actor=actor, action="approve", subject=f"order {order_id}", reason=reason)
    return moved


async def begin_cancel(pool: Pool, order_id: OrderId, *, now: datetime, actor: str, reason: str) -> Order:
    """Write down that a person ends an order, so that nobody delivers it meanwhile; the order as it was.

    MoveRefused when its codes may be out or it has ended.
    """
    async with pool.acquire() as conn, conn.transaction():
        order = await load_order(conn, order_id)
        if order.state not in _ENDED_BY_HAND:
            raise MoveRefused(
                f"order {order_id} is {order.state}: cancel or refund it at the channel, and it ends here "
                "when the channel tells"
            )
        if order.state is _S.ACCEPTED:
            why = f"to be cancelled: {reason}"
            due_at = now + _LEFT_ALONE
            await move_orders(conn, [order], _S.HELD, now=now, actor=actor, reason=why, due_at=due_at)
        else:
            await set_due(conn, order_id, now + _LEFT_ALONE, failed=False)
        await leave_seat(conn, order.channel_id, order.order_ref, now, reason)
        await note(conn, at=now, actor=actor, action="cancel", subject=f"order {order_id}", reason=reason)
    return order


async def finish_cancel(
    pool: Pool, intake: Intake, order_id: OrderId, *, actor: str, reason: str
) -> OrderState:
    """End the order whatever became of it meanwhile, as its money may be back; the state it is in then."""
    for _ in range(_TRIES):
        async with pool.acquire() as conn:
            order = await load_order(conn, order_id)
            try:
                return await intake.cancel(conn, order, actor=actor, reason=reason)
            except StaleVersion:
                continue
    raise StaleVersion(f"order {order_id}: moved {_TRIES} times while we looked; try again")
