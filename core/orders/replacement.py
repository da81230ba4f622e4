"""Decides how a buyer's invalid code is replaced: the bad one out for good, a new one taken, the two linked.

All of it in one transaction: where there is no code to give, nothing is changed. The sale stays split as it
was; what its consignor owes for the bad code is a claim that the link between the two codes proves.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from core.audit import note
from core.codes.allocator import Allocator, Place
from core.codes.reservation import ReservedLine
from core.db.pool import Pool, Record
from core.db.queries import load_queries
from core.errors import Conflict, InvalidInput, MoveRefused, OutOfStock
from core.orders.orders import Order, TakenLine, load_order
from core.types import OrderId, OrderState

_FIND_BAD_CODE = load_queries("core.orders", "replacement.sql")["find_bad_code"]


class Replacements:
    """Gives buyers other codes for invalid ones."""

    def __init__(self, pool: Pool, allocator: Allocator, now: Callable[[], datetime]) -> None:
        self._pool = pool
        self._allocator = allocator
        self._now = now

    async def replace(self, order_id: OrderId, bad: Place, *, actor: str, reason: str) -> Place:
        """Where the new code stands, once the bad one is quarantined.

        Raises InvalidInput for a code that is not the order's, MoveRefused unless the order is delivered,
        Conflict when the code left the order before, OutOfStock when there is none to give.
        """
        if not reason.strip():
            raise InvalidInput(f"code {bad}: say why it is replaced; the reason is kept")
        async with self._pool.acquire() as conn, conn.transaction():
            order = await load_order(conn, order_id)
            row = await conn.fetchrow(_FIND_BAD_CODE, bad.lane, bad.shelf_id, bad.slot, order_id)
            line = _replaceable(order, bad, row)
            if not await self._allocator.quarantine(conn, bad, line.sku_id, actor=actor, reason=reason):
                raise Conflict(
                    f"code {bad}: it left order {order_id} at this moment; look at the order again"
                )
            now = self._now()
            wanted = ReservedLine(line.line_no, line.lane, line.sku_id, line.listing_id, 1, now)
            if not await self._allocator.allocate_known(conn, order_id, [wanted], now):
                raise OutOfStock(
                    f"order {order_id}: no code of {line.listing_ref} is free to replace {bad}; nothing was "
                    "changed, import codes and ask again, or refund the buyer"
                )
            new = await self._allocator.note_replacement(
                conn, order_id, line.line_no, bad, actor=actor, reason=reason
            )
            subject = f"code {bad} of order {order_id} by {new}"
            await note(conn, at=now, actor=actor, action="replace", subject=subject, reason=reason)
        return new


def _replaceable(order: Order, bad: Place, row: Record | None) -> TakenLine:
    """The line that a bad code belongs to, if it may be replaced."""
    if row is None:
        raise InvalidInput(f"code {bad}: order {order.order_id} never had it; its own codes stand with it")
    if order.state is not OrderState.DELIVERED:
        raise MoveRefused(
            f"order {order.order_id} is {order.state}: only codes of delivered orders are replaced"
        )
    if row["new_slot"] is not None:
        new = f"{row['new_lane']}.{row['new_shelf_id']}.{row['new_slot']}"
        raise Conflict(f"code {bad}: was replaced by {new} before; if that one is bad too, replace that one")
    if row["departed"] is not None:
        raise Conflict(f"code {bad}: was {row['departed']} and left order {order.order_id} before")
    return next(line for line in order.lines if line.line_no == row["line_no"])
