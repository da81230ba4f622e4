"""Decides what pages on money show: who has what, who got what of which channel, how an order was split."""

from __future__ import annotations

from core.errors import UnknownOrder
from core.money.journal.periods import Period
from core.types import OrderId
from core.views.money_split import order_split
from core.views.money_standing import ChannelMonth, Standing, channel_month, months, paid, standing
from web.console.money.figures import flow_matrices, matrices, refund_fall, split_fall
from web.console.visit import Shown, Visit

_SHOWN_OF_A_KIND = 12
_SHOWN_OF_ONE = 500


async def money(visit: Visit) -> Shown:
    """Who has what: now, or at the end of a month."""
    services, month, party = visit.services, _month(visit), visit.query("party")

    async def read() -> tuple[object, ...]:
        """As dear as there are accounts, whatever their entries."""
        async with services.pool.acquire() as conn:
            return await standing(conn, month), await paid(conn, month), await months(conn)

    sums, paid_out, known = await visit.memory.get(f"standing {month}", read, tuple)
    if party is not None:
        sums = tuple(each for each in sums if each.party == party)
        paid_out = tuple(each for each in paid_out if each.party == party)
    return Shown(
        "money.html",
        {
            "matrices": matrices(sums, paid_out, _SHOWN_OF_A_KIND if party is None else _SHOWN_OF_ONE),
            "standings": list(Standing),
            "months": known,
            "month": month,
            "party": party,
        },
    )


async def channels(visit: Visit) -> Shown:
    """Who got what of which channel's orders in a month."""
    services = visit.services
    month = _month(visit) or Period.of(services.now())

    async def read() -> ChannelMonth:
        """Reads the entries of a month; the memory keeps it the longer the longer that took."""
        async with services.pool.acquire() as conn:
            return await channel_month(conn, month)

    found = await visit.memory.get(f"flows {month}", read, ChannelMonth)
    async with services.pool.acquire() as conn:
        known = await months(conn)
    return Shown("money_channels.html", {"matrices": flow_matrices(found), "months": known, "month": month})


async def split(visit: Visit) -> Shown:
    """One order's money as waterfalls, line by line."""
    order_id = _order_id(visit.path("order_id"))
    async with visit.services.pool.acquire() as conn:
        found = await order_split(conn, order_id)
    falls = [(line, split_fall(line.line), refund_fall(line) if line.back else None) for line in found.lines]
    return Shown("money_split.html", {"order_id": order_id, "falls": falls, "journal": found.order.journal})


def _month(visit: Visit) -> Period | None:
    text = visit.query("month")
    return None if text is None else Period.parse(text)


def _order_id(text: str) -> OrderId:
    if not text.isascii() or not text.isdigit() or int(text) >= 2**63:
        raise UnknownOrder(f"order {text[:40]!r}: order ids are numbers; look for it under Orders")
    return OrderId(int(text))
