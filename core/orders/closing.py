"""Closes sales: the order's last move and the split of its lines in one transaction, grouped with others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.db.groups import GroupWriter
from core.db.pool import Connection, Pool
from core.db.queries import load_queries
from core.errors import StaleVersion
from core.money.ledger import Ledger, Sale
from core.money.money import Money
from core.money.splits import postings, split_line
from core.offers.terms import ChannelTerms
from core.orders.orders import Order, move_orders
from core.types import OrderId, OrderState

_CODES_PER_CONSIGNOR = load_queries("core.orders", "closing.sql")["codes_per_consignor"]

Owners = dict[tuple[OrderId, int], list[tuple[str, int]]]


@dataclass(frozen=True, slots=True)
class Closing:
    """An order whose codes are with the buyer, the terms it was sold on, and who says so."""

    order: Order
    terms: ChannelTerms
    actor: str
    reason: str


class SaleCloser:
    """Moves orders to delivered and posts their splits, in groups."""

    def __init__(self, pool: Pool, ledger: Ledger, now: Callable[[], datetime]) -> None:
        self._pool = pool
        self._ledger = ledger
        self._now = now
        self._writer: GroupWriter[Closing, Order] = GroupWriter(self._write_group)

    async def close(self, closing: Closing) -> Order:
        """The order, delivered. StaleVersion if somebody moved it meanwhile: load it again and look."""
        return await self._writer.submit(closing)

    async def _write_group(self, group: Sequence[Closing]) -> list[Order | Exception]:
        try:
            return list(await self._write(group))
        except StaleVersion as stale:
            if len(group) == 1:
                return [stale]
        # One of them was moved by somebody else: the others must not suffer for it.
        return [(await self._write_group([closing]))[0] for closing in group]

    async def _write(self, group: Sequence[Closing]) -> list[Order]:
        now = self._now()
        async with self._pool.acquire() as conn:
            owners = await self._owners(conn, [closing.order.order_id for closing in group])
            sales = [sale for closing in group for sale in sales_of(closing, owners)]
            await self._ledger.prepare(sales)
            async with conn.transaction():
                moved: dict[OrderId, Order] = {}
                for actor, reason in sorted({(closing.actor, closing.reason) for closing in group}):
                    batch = [c.order for c in group if (c.actor, c.reason) == (actor, reason)]
                    done = await move_orders(
                        conn, batch, OrderState.DELIVERED, now=now, actor=actor, reason=reason
                    )
                    moved.update({order.order_id: order for order in done})
                await self._ledger.post_sales(conn, sales, now)
        return [moved[closing.order.order_id] for closing in group]

    async def _owners(self, conn: Connection, order_ids: Sequence[OrderId]) -> Owners:
        owners: Owners = {}
        for row in await conn.fetch(_CODES_PER_CONSIGNOR, order_ids):
            owners.setdefault((OrderId(row["order_id"]), int(row["line_no"])), []).append(
                (str(row["name"]), int(row["codes"]))
            )
        return owners


def sales_of(closing: Closing, owners: Owners) -> list[Sale]:
    """The transactions that a delivered order posts: one for each line that got codes. Pure."""
    order, terms = closing.order, closing.terms
    sales = []
    for line in order.lines:
        consignors = owners.get((order.order_id, line.line_no), [])
        quantity = sum(codes for _, codes in consignors)
        if quantity:
            price = Money(line.unit_price_minor, order.currency)
            split = split_line(terms.plan, price, quantity, consignors)
            booked = postings(split, terms.name, order.currency)
            sales.append(Sale(order.order_id, line.line_no, order.lane, terms.plan_id, booked))
    assert sales, f"order {order.order_id} is closed without codes"
    return sales
