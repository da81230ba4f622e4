"""Reads who sits in groups, and writes what becomes of their seats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core.db.pool import Connection, Record
from core.db.queries import load_queries
from core.errors import StaleVersion
from core.group_buying.rules import Group, SeatState
from core.types import BuyerId, ChannelId, OrderId, OrderRef, OrderState

_SQL = load_queries("core.group_buying", "groups.sql")
_NOTE_SEAT = _SQL["note_seat"]
_SEATS_OF_GROUPS = _SQL["seats_of_groups"]
_MOVE_SEATS = _SQL["move_seats"]
_TAKE_SEAT = _SQL["take_seat"]
_LEAVE_SEAT = _SQL["leave_seat"]


@dataclass(frozen=True, slots=True)
class Seat:
    """An order in a group, and where that order stands."""

    channel_id: ChannelId
    order_ref: OrderRef
    order_id: OrderId
    order_state: OrderState
    seat_no: int
    buyer_id: BuyerId


async def note_seat(
    conn: Connection,
    channel_id: ChannelId,
    order_ref: OrderRef,
    offer: str,
    pieces: int,
    wanted: str | None,
    now: datetime,
) -> None:
    """Write down that a paid order wants a seat, before it is taken in."""
    await conn.execute(_NOTE_SEAT, channel_id, order_ref, offer, wanted, pieces, now)


async def seats_of(conn: Connection, groups: Sequence[Group]) -> dict[int, list[Seat]]:
    """Those who sit in each group, by its id."""
    found: dict[int, list[Seat]] = {group.group_id: [] for group in groups}
    for row in await conn.fetch(_SEATS_OF_GROUPS, list(found)):
        found[row["group_id"]].append(
            Seat(
                ChannelId(row["channel_id"]),
                OrderRef(row["order_ref"]),
                OrderId(row["order_id"]),
                OrderState(row["order_state"]),
                row["seat_no"],
                BuyerId(row["buyer_id"]),
            )
        )
    return found


def read_group(row: Record) -> Group:
    """A group from its row."""
    names = ("group_id", "ref", "offer", "size", "at_least", "opened_at", "ends_at")
    return Group(**{name: row[name] for name in names})


async def move_seats(
    conn: Connection,
    seats: Sequence[Seat | tuple[ChannelId, OrderRef]],
    to: SeatState,
    now: datetime,
    why: str,
) -> None:
    """Say what became of seats; StaleVersion when a person took one's order out of its group meanwhile."""
    keys = [(seat.channel_id, seat.order_ref) if isinstance(seat, Seat) else seat for seat in seats]
    channel_ids, order_refs = [key[0] for key in keys], [key[1] for key in keys]
    done = await conn.execute(_MOVE_SEATS, channel_ids, order_refs, to.value, now, why)
    if done != f"UPDATE {len(keys)}":
        raise StaleVersion(
            f"seats of {', '.join(order_refs)}: somebody moved one at the same moment; look again"
        )


async def take_seat(conn: Connection, group_id: int, seat: Seat, now: datetime) -> None:
    """Seat a buyer who waits; StaleVersion when a person took his order out meanwhile."""
    done = await conn.execute(
        _TAKE_SEAT, seat.channel_id, seat.order_ref, group_id, seat.seat_no, seat.buyer_id, now
    )
    if done != "UPDATE 1":
        raise StaleVersion(f"seat of {seat.order_ref}: somebody moved it at the same moment; look again")


async def leave_seat(
    conn: Connection, channel_id: ChannelId, order_ref: OrderRef, now: datetime, why: str
) -> None:
    """A person ends an order: it has no part in its group from now on, if it had one."""
    await conn.execute(_LEAVE_SEAT, channel_id, order_ref, now, why)
