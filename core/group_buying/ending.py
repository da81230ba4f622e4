"""Carries out how a group ended: its orders go on to delivery together, or each buyer's money goes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import structlog

from core.audit import note
from core.db.pool import Connection
from core.db.queries import load_queries
from core.errors import InvalidInput, MoveRefused
from core.group_buying.rules import GONE, Group, Outcome, SeatState
from core.group_buying.seats import Seat, move_seats, read_group, seats_of
from core.offers.terms import ChannelTerms
from core.orders.intake import judge_worth
from core.orders.orders import load_orders, move_orders
from core.orders.refunds import RefundDue, send_back
from core.orders.risk import RiskVerdict
from core.types import ChannelId, OrderId, OrderRef, OrderState

_SQL = load_queries("core.group_buying", "groups.sql")
_END_GROUP = _SQL["end_group"]
_FIND_GROUP = _SQL["find_group"]
_WAIT_FOR_OFFER = _SQL["wait_for_offer"]

_log = structlog.get_logger()


async def end_group(
    conn: Connection,
    terms: Mapping[ChannelId, ChannelTerms],
    group: Group,
    seats: Sequence[Seat],
    ended: Outcome,
    why: str,
    now: datetime,
    *,
    actor: str,
) -> frozenset[ChannelId]:
    """End a group in the caller's transaction; the channels whose orders want something done then.

    StaleVersion: somebody moved an order meanwhile, and nothing is as it was looked at.
    """
    if ended is Outcome.FAILED:
        held = [seat for seat in seats if seat.order_state is OrderState.HELD]
        kept = [seat for seat in seats if seat.order_state is not OrderState.HELD]
        await _give_back(conn, held, f"group {group.ref}: {why}", now, actor)
        # A person let these through before: their buyers have what they paid for.
        await move_seats(conn, kept, SeatState.BOUGHT, now, "let through by hand")
    else:
        await _let_through(conn, terms, seats, f"group {group.ref}: {why}", now, actor)
        await move_seats(conn, seats, SeatState.BOUGHT, now, why)
    await conn.execute(_END_GROUP, group.group_id, now, ended.value, why)
    _log.info("group.ended", group=group.ref, offer=group.offer, outcome=ended.value, buyers=len(seats))
    return frozenset(seat.channel_id for seat in seats)


async def _let_through(
    conn: Connection,
    terms: Mapping[ChannelId, ChannelTerms],
    seats: Sequence[Seat],
    why: str,
    now: datetime,
    actor: str,
) -> None:
    """All orders together; one that risk holds goes on waiting for its person, without its group."""
    waiting = [seat.order_id for seat in seats if seat.order_state is OrderState.HELD]
    orders = [
        order
        for order in await load_orders(conn, waiting)
        if order.channel_id not in terms
        or judge_worth(terms[order.channel_id], order).verdict is RiskVerdict.PASS
    ]
    if orders:
        await move_orders(conn, orders, OrderState.ACCEPTED, now=now, actor=actor, reason=why)


async def refuse_seat(
    conn: Connection, channel_id: ChannelId, order_ref: OrderRef, order_id: OrderId, why: str, now: datetime
) -> None:
    """No group takes this order: its money goes back."""
    due = RefundDue("groups", "there is no place in a group for this order", f"group buying: {why}")
    await send_back(conn, [order_id], due, now)
    await move_seats(conn, [(channel_id, order_ref)], SeatState.REFUSED, now, why)


async def _give_back(conn: Connection, seats: Sequence[Seat], why: str, now: datetime, actor: str) -> None:
    """Decide it for all; the channel's loop carries it out, and then their codes stand on the shelf again."""
    due = RefundDue(actor, "the group was not completed in time", why)
    await send_back(conn, [seat.order_id for seat in seats], due, now)
    await move_seats(conn, seats, SeatState.FAILED, now, why)


async def close_group(
    conn: Connection,
    terms: Mapping[ChannelId, ChannelTerms],
    ref: str,
    *,
    complete: bool,
    actor: str,
    reason: str,
    now: datetime,
) -> int:
    """End an open group on a person's word: complete it as it is, or give the money back; how many buyers."""
    row = await conn.fetchrow(_FIND_GROUP, ref)
    if row is None:
        raise InvalidInput(f"no group is called {ref!r}; `consignd groups list` shows those there are")
    await conn.fetchval(_WAIT_FOR_OFFER, row["offer"])
    # Looked at again now that nobody else decides over it.
    row = await conn.fetchrow(_FIND_GROUP, ref)
    assert row is not None, "groups are never removed"
    if row["outcome"] is not None:
        raise MoveRefused(f"group {ref} has ended: {row['outcome']}")
    group = read_group(row)
    seats = (await seats_of(conn, [group]))[group.group_id]
    left = [seat for seat in seats if seat.order_state in GONE]
    await move_seats(conn, left, SeatState.LEFT, now, "the order was taken back")
    here = [seat for seat in seats if seat.order_state not in GONE]
    ended = Outcome.BY_HAND if complete else Outcome.FAILED
    await end_group(conn, terms, group, here, ended, reason, now, actor=actor)
    await note(conn, at=now, actor=actor, action="close", subject=f"group {ref}", reason=reason)
    return len(here)
