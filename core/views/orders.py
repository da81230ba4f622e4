"""Tells which orders there are, and of each what was asked, what happened, and which codes it has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.db.pool import Connection, Record
from core.db.queries import load_queries
from core.errors import UnknownOrder
from core.orders.lifecycle import ENDED
from core.types import ListingRef, OrderId, OrderRef, OrderState
from core.views.ledger import JournalEntry, order_journal

_SQL = load_queries("core.views", "orders.sql")
_NEWEST_IDS = _SQL["newest_ids"]
_OPEN_IDS = _SQL["open_ids"]
_IDS_OF_REF = _SQL["ids_of_ref"]
_SUMMARIES = _SQL["summaries"]
_HEAD = _SQL["head"]
_MOVES = _SQL["moves"]
_LINES = _SQL["lines"]
_PLACES = _SQL["places"]
_RECENT_MOVES = _SQL["recent_moves"]
_OPEN_BY_STATE = _SQL["open_by_state"]
_PER_MINUTE = _SQL["per_minute"]

_NEWER_THAN_ALL = 2**63 - 1
# How many orders one page of a search looks at; a search goes on from there.
_LOOKED_AT = 2000
_WATCHED_ORDERS = 200
_COUNTED_ORDERS = 20_000


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """What a list of orders is narrowed to; None: not at all."""

    state: OrderState | None = None
    channel: str | None = None
    sku_ref: str | None = None
    order_ref: str | None = None


@dataclass(frozen=True, slots=True)
class OrderSummary:
    """An order as a list shows it."""

    order_id: OrderId
    channel: str
    order_ref: OrderRef
    currency: str
    placed_at: datetime
    created_at: datetime
    state: OrderState
    state_since: datetime
    pieces: int
    gross_minor: int
    skus: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OrderPage:
    """Orders, newest first; `next_before` goes on with older ones, also from an empty page of a search."""

    orders: tuple[OrderSummary, ...]
    next_before: OrderId | None


@dataclass(frozen=True, slots=True)
class Move:
    """A step of an order's life; the first has no state before it."""

    from_state: OrderState | None
    to_state: OrderState
    moved_at: datetime
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class RecentMove:
    """A move, and of which order."""

    order_id: OrderId
    channel: str
    order_ref: OrderRef
    move: Move


@dataclass(frozen=True, slots=True)
class LineView:
    """A line as we took it in."""

    line_no: int
    line_ref: str
    listing_ref: ListingRef
    sku_ref: str
    title: str
    quantity: int
    unit_price_minor: int
    valid_until: datetime


@dataclass(frozen=True, slots=True)
class CodePlace:
    """Where a code of an order stands, never what it says; `departed` is how it left, if it did."""

    line_no: int
    place: str
    consignor: str
    departed: str | None
    departed_at: datetime | None
    departed_reason: str | None
    instead_of: str | None
    replaced_by: str | None


@dataclass(frozen=True, slots=True)
class OrderDetail:
    """Everything about one order."""

    order: OrderSummary
    buyer_ref: str | None
    hold_until: datetime | None
    due_at: datetime | None
    failures: int
    lines: tuple[LineView, ...]
    moves: tuple[Move, ...]
    codes: tuple[CodePlace, ...]
    journal: tuple[JournalEntry, ...]


@dataclass(frozen=True, slots=True)
class StateCount:
    """How many open orders are in a state."""

    state: OrderState
    orders: int


@dataclass(frozen=True, slots=True)
class MinuteCount:
    """How many orders came in a minute."""

    minute: datetime
    orders: int


async def order_page(
    conn: Connection,
    wanted: OrderFilter = OrderFilter(),
    *,
    before: int | None = None,
    limit: int = 50,
) -> OrderPage:
    """Orders newest first, those that a filter leaves."""
    searched = wanted.state is not None or wanted.channel is not None or wanted.sku_ref is not None
    look_at = _LOOKED_AT if searched else limit
    ids = await _candidates(conn, wanted, _NEWER_THAN_ALL if before is None else before, look_at)
    rows = await conn.fetch(_SUMMARIES, ids, wanted.state, wanted.channel, wanted.sku_ref, limit)
    orders = tuple(_summary(row) for row in rows)
    if len(orders) == limit:
        return OrderPage(orders, orders[-1].order_id)
    return OrderPage(orders, ids[-1] if len(ids) == look_at else None)


async def _candidates(conn: Connection, wanted: OrderFilter, before: int, look_at: int) -> list[OrderId]:
    """The orders that can be meant at all, found by an index."""
    if wanted.order_ref is not None:
        rows = await conn.fetch(_IDS_OF_REF, before, look_at, wanted.order_ref)
    elif wanted.state is not None and wanted.state not in ENDED:
        rows = await conn.fetch(_OPEN_IDS, before, look_at)
    else:
        rows = await conn.fetch(_NEWEST_IDS, before, look_at)
    return [OrderId(row["order_id"]) for row in rows]


async def summaries(conn: Connection, order_ids: Sequence[OrderId]) -> tuple[OrderSummary, ...]:
    """These orders, newest first."""
    rows = await conn.fetch(_SUMMARIES, order_ids, None, None, None, len(order_ids))
    return tuple(_summary(row) for row in rows)


async def order_detail(conn: Connection, order_id: OrderId) -> OrderDetail:
    """One order; UnknownOrder if there is none."""
    rows = await conn.fetch(_SUMMARIES, [order_id], None, None, None, 1)
    head = await conn.fetchrow(_HEAD, order_id)
    if not rows or head is None:
        raise UnknownOrder(f"order {order_id}: no such order; `GET /api/v1/orders` lists them")
    summary = _summary(rows[0])
    first = OrderState(head["first_state"])
    came = Move(None, first, summary.created_at, "intake", head["first_reason"])
    return OrderDetail(
        order=summary,
        buyer_ref=head["buyer_ref"],
        hold_until=head["hold_until"],
        due_at=head["due_at"],
        failures=head["failures"],
        lines=tuple(LineView(**dict(row)) for row in await conn.fetch(_LINES, order_id)),
        moves=(came, *(_move(row) for row in await conn.fetch(_MOVES, order_id))),
        codes=tuple(_place(row) for row in await conn.fetch(_PLACES, order_id)),
        journal=await order_journal(conn, order_id),
    )


async def recent_moves(conn: Connection, limit: int = 50) -> tuple[RecentMove, ...]:
    """What happened last to the newest orders and the open ones."""
    rows = await conn.fetch(_RECENT_MOVES, _WATCHED_ORDERS, limit)
    return tuple(RecentMove(row["order_id"], row["channel"], row["order_ref"], _move(row)) for row in rows)


async def open_by_state(conn: Connection) -> tuple[StateCount, ...]:
    """How many orders are open, by state."""
    return tuple(
        StateCount(OrderState(row["state"]), row["orders"]) for row in await conn.fetch(_OPEN_BY_STATE)
    )


async def orders_per_minute(conn: Connection, now: datetime, minutes: int = 60) -> tuple[MinuteCount, ...]:
    """Orders taken in during each of the last minutes, the oldest first, with zeros; of the newest 20,000."""
    this_minute = now.replace(second=0, microsecond=0)
    since = this_minute - timedelta(minutes=minutes - 1)
    rows = await conn.fetch(_PER_MINUTE, since - timedelta(microseconds=1), now, _COUNTED_ORDERS)
    counted = {row["minute"]: int(row["orders"]) for row in rows}
    every = (since + timedelta(minutes=n) for n in range(minutes))
    return tuple(MinuteCount(minute, counted.get(minute, 0)) for minute in every)


def _summary(row: Record) -> OrderSummary:
    values = dict(row) | {"state": OrderState(row["state"]), "skus": tuple(row["skus"])}
    return OrderSummary(**values)


def _move(row: Record) -> Move:
    before = None if row["from_state"] is None else OrderState(row["from_state"])
    return Move(before, OrderState(row["to_state"]), row["moved_at"], row["actor"], row["reason"])


def _place(row: Record) -> CodePlace:
    values = dict(row)
    place = f"{values.pop('lane')}.{values.pop('shelf_id')}.{values.pop('slot')}"
    return CodePlace(place=place, **values)
