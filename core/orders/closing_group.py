"""Writes the last moves of delivered orders and their splits by one statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from core.db.arrays import int_array
from core.db.pool import Connection, Pool
from core.db.queries import load_queries
from core.offers.terms import ChannelTerms
from core.orders.orders import Order
from core.types import OrderId

_CLOSE_GROUP = load_queries("core.orders", "closing.sql")["close_group"]

# How many codes of a line are whose.
Consignors = tuple[tuple[str, int], ...]
# By line number; lines without codes are left out.
Owners = Mapping[int, Consignors]


class Closing(Struct, frozen=True, gc=False):
    """An order whose codes are with the buyer, the terms it was sold on, and who says so.

    `owners` says whose codes they are; whoever has opened them knows, and spares us looking.
    """

    order: Order
    terms: ChannelTerms
    actor: str
    reason: str
    owners: Owners | None = None


async def close_group(
    database: Pool | Connection, closings: Sequence[Closing], columns: Sequence[str], now: datetime
) -> list[OrderId]:
    """Orders that somebody else moved meanwhile: nothing was written for them.

    `columns` are as the ledger lays sales out.
    """
    kinds: dict[tuple[str, str, str], int] = {}
    of_order = [
        kinds.setdefault((closing.order.state.value, closing.actor, closing.reason), len(kinds) + 1)
        for closing in closings
    ]
    stale: list[OrderId] = await database.fetchval(
        _CLOSE_GROUP,
        now,
        *([kind[n] for kind in kinds] for n in range(3)),
        int_array([closing.order.order_id for closing in closings]),
        int_array([closing.order.move_no + 1 for closing in closings]),
        int_array(of_order),
        *columns,
    )
    return stale
