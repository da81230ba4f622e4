"""Closes sales: the order's last move and the split of its lines in one statement, grouped with others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

from core.db.groups import GroupWriter
from core.db.pool import DATABASE_FAILURES, Pool
from core.db.queries import load_queries
from core.errors import OutOfStock, PlanRefused, StaleVersion
from core.money.ledger import Ledger, Sale
from core.money.money import Money
from core.money.plans.facts import CodesOf, Milestones, SaleFacts
from core.money.plans.journal import sale_postings
from core.money.plans.memory import is_plain
from core.money.plans.waterfall import evaluate
from core.money.posting import Posting
from core.offers.terms import ChannelTerms
from core.orders.closing_group import Closing, Consignors, Owners, close_group
from core.orders.lifecycle import refuse_move
from core.orders.orders import Order, TakenLine
from core.orders.planned import PlannedSales
from core.types import OrderId, OrderState

_SQL = load_queries("core.orders", "closing.sql")
_CODES_PER_CONSIGNOR = _SQL["codes_per_consignor"]
_SPLITS_REMEMBERED = 4096

__all__ = ["Closing", "Consignors", "Owners", "SaleCloser", "SplitMemory"]


class SaleCloser:
    """Moves orders to delivered and posts their splits, in groups."""

    def __init__(self, pool: Pool, ledger: Ledger, now: Callable[[], datetime]) -> None:
        self._pool = pool
        self._ledger = ledger
        self._now = now
        self._splits = SplitMemory()
        self._planned = PlannedSales(ledger, pool)
        # Planned sales count what came before them: two groups of ours would only wait for each other.
        self._planned_turn = asyncio.Lock()
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
        plain: dict[OrderId, int] = {}
        planned: dict[OrderId, tuple[int, Owners]] = {}
        sales: list[Sale] = []
        for index, closing in enumerate(group):
            order_id = closing.order.order_id
            owners = closing.owners
            if owners is None:
                owners = looked_up.get(order_id, {})
            if order_id in plain or order_id in planned:
                refused[index] = _moved_meanwhile(closing.order)
            elif not owners:
                refused[index] = _without_codes(closing.order)
            elif (split := self._splits.sales_of(closing, owners)) is None:
                planned[order_id] = (index, owners)
            else:
                sales += split
                plain[order_id] = index
        now = self._now()
        stale = []
        if plain:
            columns = await self._ledger.lay_out(sales)
            stale = await close_group(self._pool, [group[index] for index in plain.values()], columns, now)
        places = {order_id: index for order_id, (index, _) in planned.items()} | plain
        if planned:
            asked = [(group[index], owners) for index, owners in planned.values()]
            try:
                async with self._planned_turn:
                    moved, failed = await self._planned.close(asked, now)
            except DATABASE_FAILURES as error:
                # The plain ones are closed already: their callers must not hear of it.
                moved, failed = [], dict.fromkeys(planned, error)
            stale += moved
            refused |= {places[order_id]: error for order_id, error in failed.items()}
        refused |= {places[order_id]: _moved_meanwhile(group[places[order_id]].order) for order_id in stale}
        return [refused.get(index) or _delivered(closing.order, now) for index, closing in enumerate(group)]

    async def _owners(self, order_ids: Sequence[OrderId]) -> dict[OrderId, dict[int, Consignors]]:
        owners: dict[OrderId, dict[int, Consignors]] = {}
        for order_id, line_no, name, codes in await self._pool.fetch(_CODES_PER_CONSIGNOR, order_ids):
            lines = owners.setdefault(order_id, {})
            lines[line_no] = (*lines.get(line_no, ()), (name, codes))
        return owners


class SplitMemory:
    """Splits lines by plain plans, and remembers how lines of the same price, terms and owners were split.

    A plan is plain that asks for nothing but price, channel and owners, and is always in force.
    """

    def __init__(self) -> None:
        self._postings: dict[tuple[int, str, str, int, Consignors], tuple[Posting, ...]] = {}
        self._plain: dict[int, bool] = {}

    def sales_of(self, closing: Closing, owners: Owners) -> list[Sale] | None:
        """A transaction for each line that got codes; None where more has to be known to split them."""
        order, terms = closing.order, closing.terms
        if terms.plan_choices:
            return None
        sales = []
        for line in order.lines:
            consignors = owners.get(line.line_no)
            if consignors is None:
                continue
            key = (terms.plan_id, terms.name, order.currency, line.unit_price_minor, consignors)
            postings = self._postings.get(key)
            if postings is None:
                postings = self._split(order, line, terms, consignors)
                if postings is None:
                    return None
                self._postings[key] = postings
            sales.append(Sale(order.order_id, line.line_no, order.lane, terms.plan_id, postings))
        return sales

    def _split(
        self, order: Order, line: TakenLine, terms: ChannelTerms, consignors: Consignors
    ) -> tuple[Posting, ...] | None:
        if not self._is_plain(terms):
            return None
        if len(self._postings) >= _SPLITS_REMEMBERED:
            self._postings.clear()
        facts = SaleFacts(
            unit_price=Money(line.unit_price_minor, order.currency),
            codes=tuple(CodesOf(name, codes) for name, codes in consignors),
            channel=terms.name,
            sold_at=order.placed_at,
        )
        try:
            split = evaluate(terms.plan, facts)
        except PlanRefused:
            return None
        return tuple(sale_postings(split, Milestones(order.placed_at), order.placed_at))

    def _is_plain(self, terms: ChannelTerms) -> bool:
        plain = self._plain.get(terms.plan_id)
        if plain is None:
            plain = self._plain[terms.plan_id] = is_plain(terms.plan)
        return plain


def _delivered(order: Order, now: datetime) -> Order:
    return order.moved(OrderState.DELIVERED, now)


def _moved_meanwhile(order: Order) -> StaleVersion:
    return StaleVersion(f"order {order.order_ref}: somebody moved it at the same moment; look again")


def _without_codes(order: Order) -> OutOfStock:
    return OutOfStock(f"order {order.order_ref}: it has no codes left that could be sold; cancel it")
