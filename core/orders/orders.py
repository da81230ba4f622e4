"""Reads orders and writes their moves; closing.py writes the last move of a sale together with its money."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import asyncpg
from msgspec import Struct
from msgspec.structs import replace

from core.db.pool import Connection
from core.db.queries import load_queries
from core.errors import StaleVersion, UnknownOrder
from core.orders.lifecycle import ENDED, refuse_move
from core.types import (
    ChannelId,
    Lane,
    LineRef,
    ListingId,
    ListingRef,
    OrderId,
    OrderRef,
    OrderState,
    SkuId,
)

_SQL = load_queries("core.orders", "orders.sql")
_LOAD_ORDERS = _SQL["load_orders"]
_LOAD_LINES = _SQL["load_lines"]
_FIND_ORDER = _SQL["find_order"]
_MOVE_ORDERS = _SQL["move_orders"]
_CLOSE_ORDERS = _SQL["close_orders"]
_OPEN_ORDERS = _SQL["open_orders"]
_SET_DUE = _SQL["set_due"]
_DUE_ORDERS = _SQL["due_orders"]


class TakenLine(Struct, frozen=True, gc=False):
    """A line of an order as we took it in."""

    line_no: int
    lane: Lane
    line_ref: LineRef
    listing_id: ListingId
    listing_ref: ListingRef
    sku_id: SkuId
    quantity: int
    unit_price_minor: int
    valid_until: datetime


class Order(Struct, frozen=True, gc=False):
    """An order as it stands; `move_no` is the number of its last move, 0 if it has made none."""

    order_id: OrderId
    lane: Lane
    channel_id: ChannelId
    order_ref: OrderRef
    currency: str
    placed_at: datetime
    hold_until: datetime | None
    created_at: datetime
    state: OrderState
    state_since: datetime
    move_no: int
    failures: int
    lines: tuple[TakenLine, ...]

    def moved(self, to: OrderState, at: datetime) -> Order:
        """The order after one more move."""
        return replace(self, state=to, state_since=at, move_no=self.move_no + 1)

    @property
    def lanes(self) -> list[Lane]:
        """The lanes of its lines, in the order in which they are locked."""
        return sorted({line.lane for line in self.lines})

    @property
    def attempt_key(self) -> str:
        """Names the delivery attempt under way: the same for every repetition of it."""
        return f"{self.order_id}-{self.move_no}"


async def load_orders(conn: Connection, order_ids: Sequence[OrderId]) -> list[Order]:
    """The orders that exist among those asked for, by id."""
    rows = await conn.fetch(_LOAD_ORDERS, order_ids)
    line_rows = await conn.fetch(_LOAD_LINES, order_ids)
    lines: dict[OrderId, list[TakenLine]] = {}
    for row in line_rows:
        values = dict(row)
        lines.setdefault(OrderId(values.pop("order_id")), []).append(TakenLine(**values))
    orders = []
    for row in rows:
        values = dict(row) | {"state": OrderState(row["state"])}
        orders.append(Order(**values, lines=tuple(lines.get(OrderId(row["order_id"]), ()))))
    return orders


async def load_order(conn: Connection, order_id: OrderId) -> Order:
    """One order; UnknownOrder if there is none."""
    orders = await load_orders(conn, [order_id])
    if not orders:
        raise UnknownOrder(f"order {order_id}: no such order; `consignd orders` lists them")
    return orders[0]


async def find_order(conn: Connection, channel_id: ChannelId, order_ref: OrderRef) -> Order | None:
    """The order of a channel's reference, if we took it in."""
    order_id: int | None = await conn.fetchval(_FIND_ORDER, channel_id, order_ref)
    return None if order_id is None else await load_order(conn, OrderId(order_id))


async def move_orders(
    conn: Connection,
    orders: Sequence[Order],
    to: OrderState,
    *,
    now: datetime,
    actor: str,
    reason: str = "",
    due_at: datetime | None = None,
) -> list[Order]:
    """Move orders on, in the caller's transaction; they are open from then on, or closed if they ended.

    Raises MoveRefused for a move the table does not allow, StaleVersion if somebody moved one meanwhile.
    """
    for order in orders:
        refuse_move(order.order_ref, order.state, to)
    try:
        await conn.execute(
            _MOVE_ORDERS,
            [order.order_id for order in orders],
            [order.move_no + 1 for order in orders],
            [order.state.value for order in orders],
            [to.value] * len(orders),
            now,
            actor,
            reason,
        )
    except asyncpg.UniqueViolationError:
        refs = ", ".join(order.order_ref for order in orders)
        raise StaleVersion(f"order {refs}: somebody moved it at the same moment; look again") from None
    if to in ENDED:
        await conn.execute(_CLOSE_ORDERS, [order.order_id for order in orders])
    else:
        await conn.execute(
            _OPEN_ORDERS,
            [order.order_id for order in orders],
            [order.channel_id for order in orders],
            [due_at or now] * len(orders),
        )
    return [order.moved(to, now) for order in orders]


async def set_due(conn: Connection, order_id: OrderId, due_at: datetime, *, failed: bool) -> None:
    """Say when to look at an open order again, and whether that is because something failed."""
    await conn.execute(_SET_DUE, order_id, due_at, int(failed))


async def due_orders(conn: Connection, channel_id: ChannelId, now: datetime, limit: int) -> list[Order]:
    """The open orders of a channel that want something done, oldest first."""
    rows = await conn.fetch(_DUE_ORDERS, channel_id, now, limit)
    return await load_orders(conn, [OrderId(row["order_id"]) for row in rows])
