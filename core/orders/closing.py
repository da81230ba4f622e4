"""Closes sales: the order's last move and the split of its lines in one statement, grouped with others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.db.arrays import int_array
from core.db.groups import GroupWriter
from core.db.pool import Pool
from core.db.queries import load_queries
from core.errors import ConsigndError, OutOfStock, StaleVersion
from core.money.ledger import Ledger, Sale
from core.money.money import Money
from core.money.splits import Posting, postings, split_line
from core.offers.terms import ChannelTerms
from core.orders.lifecycle import refuse_move
from core.orders.orders import Order, TakenLine
from core.types import OrderId, OrderState

_SQL = load_queries("core.orders", "closing.sql")
_CODES_PER_CONSIGNOR = _SQL["codes_per_consignor"]
_CLOSE_GROUP = _SQL["close_group"]
_SPLITS_REMEMBERED = 4096

# How many codes of a line are whose.
Consignors = tuple[tuple[str, int], ...]
# By line number; lines without codes are left out.
Owners = Mapping[int, Consignors]


@dataclass(frozen=True, slots=True)
class Closing:
    """An order whose codes are with the buyer, the terms it was sold on, and who says so.

    `owners` says whose codes they are; whoever has opened them knows, and spares us looking.
    """

    order: Order
    terms: ChannelTerms
    actor: str
    reason: str
    owners: Owners | None = None


class SaleCloser:
    """Moves orders to delivered and posts their splits, in groups."""

    def __init__(self, pool: Pool, ledger: Ledger, now: Callable[[], datetime]) -> None:
        self._pool = pool
        self._ledger = ledger
        self._now = now
        self._splits = SplitMemory()
        self._writer: GroupWriter[Closing, Order] = GroupWriter(self._write_group)

    async def close(self, closing: Closing) -> Order:
        """The order, delivered. StaleVersion if somebody moved it meanwhile: load it again and look."""
        order = closing.order
        refuse_move(order.order_ref, order.state, OrderState.DELIVERED)
        return await self._writer.submit(closing)

    async def _write_group(self, group: Sequence[Closing]) -> list[Order | Exception]:
        """One statement for all that can be closed; whoever cannot gets an error of their own."""
        unknown = sorted({closing.order.order_id for closing in group if closing.owners is None})
        looked_up = await self._owners(unknown) if unknown else {}
        refused: dict[int, Exception] = {}
        chosen: dict[OrderId, int] = {}
        sales: list[Sale] = []
        for index, closing in enumerate(group):
            try:
                if closing.order.order_id in chosen:
                    raise _moved_meanwhile(closing.order)
                owners = closing.owners
                if owners is None:
                    owners = looked_up.get(closing.order.order_id, {})
                sales += self._splits.sales_of(closing, owners)
                chosen[closing.order.order_id] = index
            except ConsigndError as error:
                refused[index] = error
        now = self._now()
        stale = await self._write([group[index] for index in chosen.values()], sales, now)
        refused |= {chosen[order_id]: _moved_meanwhile(group[chosen[order_id]].order) for order_id in stale}
        return [refused.get(index) or _delivered(closing.order, now) for index, closing in enumerate(group)]

    async def _write(
        self, closings: Sequence[Closing], sales: Sequence[Sale], now: datetime
    ) -> list[OrderId]:
        """The orders that somebody else moved meanwhile: nothing was written for them."""
        columns = await self._ledger.lay_out(sales)
        kinds: dict[tuple[str, str, str], int] = {}
        of_order = [
            kinds.setdefault((closing.order.state.value, closing.actor, closing.reason), len(kinds) + 1)
            for closing in closings
        ]
        stale: list[OrderId] = await self._pool.fetchval(
            _CLOSE_GROUP,
            now,
            *([kind[n] for kind in kinds] for n in range(3)),
            int_array([closing.order.order_id for closing in closings]),
            int_array([closing.order.move_no + 1 for closing in closings]),
            int_array(of_order),
            *columns,
        )
        return stale

    async def _owners(self, order_ids: Sequence[OrderId]) -> dict[OrderId, dict[int, Consignors]]:
        owners: dict[OrderId, dict[int, Consignors]] = {}
        for order_id, line_no, name, codes in await self._pool.fetch(_CODES_PER_CONSIGNOR, order_ids):
            lines = owners.setdefault(order_id, {})
            lines[line_no] = (*lines.get(line_no, ()), (name, codes))
        return owners


class SplitMemory:
    """Splits lines, and remembers how lines of the same price, terms and owners were split."""

    def __init__(self) -> None:
        self._postings: dict[tuple[int, str, str, int, Consignors], tuple[Posting, ...]] = {}

    def sales_of(self, closing: Closing, owners: Owners) -> list[Sale]:
        """The transactions that a delivered order posts: one for each line that got codes."""
        order, terms = closing.order, closing.terms
        sales = [
            Sale(
                order.order_id,
                line.line_no,
                order.lane,
                terms.plan_id,
                self._booked(order, line, terms, owners[line.line_no]),
            )
            for line in order.lines
            if line.line_no in owners
        ]
        if not sales:
            raise OutOfStock(f"order {order.order_ref}: it has no codes left that could be sold; cancel it")
        return sales

    def _booked(
        self, order: Order, line: TakenLine, terms: ChannelTerms, consignors: Consignors
    ) -> tuple[Posting, ...]:
        key = (terms.plan_id, terms.name, order.currency, line.unit_price_minor, consignors)
        if key not in self._postings:
            if len(self._postings) >= _SPLITS_REMEMBERED:
                self._postings.clear()
            price = Money(line.unit_price_minor, order.currency)
            quantity = sum(codes for _, codes in consignors)
            split = split_line(terms.plan, price, quantity, consignors)
            self._postings[key] = tuple(postings(split, terms.name, order.currency))
        return self._postings[key]


def _delivered(order: Order, now: datetime) -> Order:
    return order.moved(OrderState.DELIVERED, now)


def _moved_meanwhile(order: Order) -> StaleVersion:
    return StaleVersion(f"order {order.order_ref}: somebody moved it at the same moment; look again")
