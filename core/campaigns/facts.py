"""Reads what campaigns ask of delivered orders, for many orders at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.buyers.buyers import Buyer, known_buyers
from core.buyers.fact_terms import FactTerms
from core.buyers.referrals import Asked, referrers_at, rings_at
from core.buyers.segments import segments_at
from core.campaigns.deciding import LineFacts, OrderFacts
from core.db.pool import Connection, Record
from core.db.queries import load_queries
from core.orders.unit_costs import Costs, Line, costs_at_sale
from core.types import BuyerId, ChannelId, OrderId

_SQL = load_queries("core.campaigns", "facts.sql")
_ORDERS_OF = _SQL["orders_of"]
_LINES_OF = _SQL["lines_of"]
_BOUGHT_BEFORE = _SQL["bought_before"]
_REFUNDED_LINES = _SQL["refunded_lines"]


@dataclass(frozen=True, slots=True)
class Judged:
    """An order to decide about, who bought it, and which referrers are in a ring of the buyer's own."""

    facts: OrderFacts
    buyer: Buyer | None
    person_id: BuyerId | None
    rings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Bought:
    orders: int
    bought_minor: int
    person_id: BuyerId


async def read_orders(conn: Connection, order_ids: Sequence[OrderId], now: datetime) -> dict[OrderId, Judged]:
    """What is known of these orders, as far as they are posted."""
    orders = {OrderId(row["order_id"]): row for row in await conn.fetch(_ORDERS_OF, order_ids)}
    lines: dict[OrderId, list[Record]] = {}
    for row in await conn.fetch(_LINES_OF, order_ids):
        lines.setdefault(OrderId(row["order_id"]), []).append(row)
    orders = {order_id: row for order_id, row in orders.items() if order_id in lines}
    buyers = await _buyers(conn, orders, now)
    bought = await _bought(conn, buyers, lines)
    asked = {
        order_id: Asked(buyer.buyer_id, orders[order_id]["placed_at"]) for order_id, buyer in buyers.items()
    }
    referrers = await referrers_at(conn, set(asked.values()))
    segments = await segments_at(conn, set(asked.values()))
    rings = await _rings(conn, asked.values(), referrers, buyers)
    costs = await _costs(conn, orders)
    found = {}
    for order_id, order in orders.items():
        buyer, about = buyers.get(order_id), asked.get(order_id)
        known = bought.get(order_id)
        facts = OrderFacts(
            order_id=order_id,
            channel=order["channel"],
            order_ref=order["order_ref"],
            currency=order["currency"],
            sold_at=min(order["placed_at"], lines[order_id][0]["posted_at"]),
            delivered_at=lines[order_id][0]["posted_at"],
            lines=tuple(_line(row, costs) for row in lines[order_id]),
            buyer=None if buyer is None else buyer.name,
            order_no=None if known is None else known.orders + 1,
            segments=frozenset() if about is None else segments[about],
            referrers=() if about is None else referrers[about],
            operator_minor=sum(int(row["operator_minor"]) for row in lines[order_id]),
            lifetime_minor=0 if known is None else known.bought_minor,
        )
        person_id = None if known is None else known.person_id
        found[order_id] = Judged(facts, buyer, person_id, {} if about is None else rings.get(about, {}))
    return found


async def refunded_lines(conn: Connection, order_id: OrderId, until_written_in: int) -> dict[int, int]:
    """What had gone back of each line when the journal had come so far; lines without any are left out."""
    return {
        int(row["line_no"]): int(row["refunded_minor"])
        for row in await conn.fetch(_REFUNDED_LINES, order_id, until_written_in)
    }


async def _buyers(conn: Connection, orders: Mapping[OrderId, Record], now: datetime) -> dict[OrderId, Buyer]:
    handles = {
        order_id: (ChannelId(row["channel_id"]), str(row["buyer_ref"]))
        for order_id, row in orders.items()
        if row["buyer_ref"]
    }
    known = await known_buyers(conn, set(handles.values()), now) if handles else {}
    return {order_id: known[handle] for order_id, handle in handles.items()}


async def _bought(
    conn: Connection, buyers: Mapping[OrderId, Buyer], lines: Mapping[OrderId, Sequence[Record]]
) -> dict[OrderId, _Bought]:
    if not buyers:
        return {}
    rows = await conn.fetch(
        _BOUGHT_BEFORE,
        list(buyers),
        [buyer.buyer_id for buyer in buyers.values()],
        [lines[order_id][0]["written_in"] for order_id in buyers],
    )
    return {
        OrderId(row["order_id"]): _Bought(
            int(row["orders"]), int(row["bought_minor"]), BuyerId(row["person_id"])
        )
        for row in rows
    }


async def _rings(
    conn: Connection,
    asked: Collection[Asked],
    referrers: Mapping[Asked, tuple[str, ...]],
    buyers: Mapping[OrderId, Buyer],
) -> dict[Asked, dict[str, str]]:
    pairs = [(about, name) for about in set(asked) for name in referrers[about]]
    if not pairs:
        return {}
    names = {buyer.buyer_id: buyer.name for buyer in buyers.values()}
    found: dict[Asked, dict[str, str]] = {}
    for (about, name), why in (await rings_at(conn, pairs, names)).items():
        found.setdefault(about, {})[name] = why
    return found


async def _costs(conn: Connection, orders: Mapping[OrderId, Record]) -> Mapping[Line, Costs]:
    terms = FactTerms()
    return await costs_at_sale(
        conn, {order_id: (row["currency"], row["placed_at"], terms) for order_id, row in orders.items()}
    )


def _line(row: Record, costs: Mapping[Line, Costs]) -> LineFacts:
    codes = costs.get((OrderId(row["order_id"]), int(row["line_no"])), Costs()).codes
    each = [of.quantity * of.unit_cost_minor for of in codes if of.unit_cost_minor is not None]
    return LineFacts(
        line_no=int(row["line_no"]),
        sku=row["sku_ref"],
        tags=frozenset(row["tags"]),
        gross_minor=int(row["gross_minor"]),
        after_channel_minor=int(row["gross_minor"]) - int(row["channel_minor"]),
        cost_minor=sum(each) if codes and len(each) == len(codes) else None,
    )
