"""Reads what split plans ask of sales: costs, tax, which order of a buyer's it is, who brought him, segments.

Only what is asked is read, for a group of orders at once. It takes sales that are being closed and past ones
alike; of past ones nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from core.buyers.buyers import Buyer, Handle, found_buyers, known_buyers
from core.buyers.fact_terms import FactTerms
from core.buyers.referrals import Asked, referrers_at, rings_at
from core.buyers.segments import segments_at
from core.db.pool import Connection
from core.db.queries import load_queries
from core.errors import FactMissing
from core.money.plans.facts import CodesOf, SaleFacts
from core.money.plans.memory import Questions
from core.money.plans.rules import Plan
from core.money.plans.waterfall import Split, evaluate
from core.money.sold import Sources
from core.orders.unit_costs import Costs, costs_at_sale
from core.types import BuyerId, ChannelId, OrderId

_SQL = load_queries("core.orders", "planned.sql")
_TOLD_TAXES = _SQL["told_taxes"]
_LOCK_BUYER = _SQL["lock_buyer"]
_ORDERS_OF_BUYER = _SQL["orders_of_buyer"]

Line = tuple[OrderId, int]


@dataclass(frozen=True, slots=True)
class Asks:
    """What the plans of an order's lines ask, all together."""

    cost: bool = False
    tax: bool = False
    buyer: bool = False
    referrers: bool = False
    segments: bool = False
    order_no: bool = False

    @classmethod
    def of(cls, questions: Iterable[Questions]) -> Asks:
        """Whatever any of them asks."""
        each = list(questions)
        return cls(
            cost=any(one.cost for one in each),
            tax=any(one.tax for one in each),
            buyer=any(one.buyer for one in each),
            referrers=any(one.referrers for one in each),
            segments=any(one.segments for one in each),
            order_no=any(one.order_no for one in each),
        )

    @property
    def who(self) -> bool:
        """Whether it has to be known who buys."""
        return self.buyer or self.referrers or self.segments or self.order_no


@dataclass(frozen=True, slots=True)
class AskedSale:
    """An order of which facts are asked, on the terms of its channel."""

    order_id: OrderId
    channel_id: ChannelId
    currency: str
    sold_at: datetime
    buyer_ref: str | None
    asks: Asks
    terms: FactTerms

    @property
    def handle(self) -> Handle | None:
        """What the channel calls the buyer."""
        return None if self.buyer_ref is None else (self.channel_id, self.buyer_ref)


@dataclass(frozen=True, slots=True)
class Brought:
    """Who brought a buyer, level 1 and then 2; and who was left out, with the reason."""

    names: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


@dataclass(slots=True)
class KnownFacts:
    """What was read for a group of orders."""

    costs: Mapping[Line, Costs] = field(default_factory=dict)
    taxes: Mapping[Line, tuple[int, int]] = field(default_factory=dict)
    buyers: Mapping[OrderId, Buyer] = field(default_factory=dict)
    brought: Mapping[OrderId, Brought] = field(default_factory=dict)
    segments: Mapping[OrderId, frozenset[str]] = field(default_factory=dict)
    orders_before: dict[BuyerId, int] = field(default_factory=dict)

    def count_order(self, order_id: OrderId) -> int | None:
        """Which order of the buyer's this is; each that is looked at counts for those after it."""
        buyer = self.buyers.get(order_id)
        if buyer is None or buyer.buyer_id not in self.orders_before:
            return None
        self.orders_before[buyer.buyer_id] += 1
        return self.orders_before[buyer.buyer_id]

    def tell(
        self, sale: AskedSale, line_no: int, bare: SaleFacts, questions: Questions, order_no: int | None
    ) -> tuple[SaleFacts, Sources]:
        """A line's facts with all that its plan asks, and where they come from. FactMissing without a tax."""
        line = (sale.order_id, line_no)
        costs = self.costs.get(line, Costs(bare.codes)) if questions.cost else Costs(bare.codes)
        brought, buyer = self.brought.get(sale.order_id, Brought()), self.buyers.get(sale.order_id)
        facts = replace(
            bare,
            codes=costs.codes,
            buyer=bare.buyer if buyer is None else buyer.name,
            buyer_order_no=order_no,
            referrers=brought.names,
            segments=self.segments.get(sale.order_id, frozenset()),
        )
        taxed, tax = self._taxed(sale, line, facts) if questions.tax else (facts, None)
        return taxed, Sources(tax, costs.converted, brought.left_out)

    def split(self, sale: AskedSale, line_no: int, plan: Plan, facts: SaleFacts) -> Split:
        """Give the line away; what a code cost is missed with the reason."""
        try:
            return evaluate(plan, facts)
        except FactMissing as error:
            missing = self.costs.get((sale.order_id, line_no), Costs()).missing
            if missing is None:
                raise
            raise FactMissing(f"{error}; {missing}") from None

    def _taxed(self, sale: AskedSale, line: Line, facts: SaleFacts) -> tuple[SaleFacts, str]:
        """The tax in a line's units: as the channel told it, else by the settings."""
        told = self.taxes.get(line)
        if told is not None:
            low_minor, codes = spread_tax(facts.codes, *told)
            return replace(facts, unit_tax_minor=low_minor, codes=codes), "told by the channel"
        rule = sale.terms.tax_rule(facts.tags)
        if rule is None:
            raise FactMissing(
                f"the plan asks for the tax in the price, which {facts.channel} did not tell, and no [[tax]]"
                f" is for tags {', '.join(sorted(facts.tags)) or '(none)'}: write one with its rate_percent,"
                " 0 where there is none"
            )
        return replace(facts, unit_tax_minor=rule.unit_tax_minor(facts.unit_price.amount_minor)), rule.origin


def spread_tax(codes: Sequence[CodesOf], tax_minor: int, quantity: int) -> tuple[int, tuple[CodesOf, ...]]:
    """The tax of a line over its units, the larger parts first; where codes are short, a part of it."""
    low_minor, larger = divmod(tax_minor, quantity)
    spread = []
    for each in codes:
        more = min(larger, each.quantity)
        larger -= more
        if more:
            spread.append(CodesOf(each.consignor, more, each.unit_cost_minor, low_minor + 1))
        if each.quantity > more:
            spread.append(CodesOf(each.consignor, each.quantity - more, each.unit_cost_minor))
    return low_minor, tuple(spread)


async def know(
    conn: Connection, sales: Sequence[AskedSale], now: datetime | None, *, counted: bool = True
) -> KnownFacts:
    """Read what is asked of these orders. Without `now` buyers that nobody met are not made known.

    `counted`: nobody else may count orders of the same buyers until the caller commits.
    """
    known = KnownFacts()
    if priced := [sale for sale in sales if sale.asks.cost]:
        asked = {sale.order_id: (sale.currency, sale.sold_at, sale.terms) for sale in priced}
        known.costs = await costs_at_sale(conn, asked)
    if taxed := [sale.order_id for sale in sales if sale.asks.tax]:
        known.taxes = {
            (OrderId(row["order_id"]), int(row["line_no"])): (int(row["tax_minor"]), int(row["quantity"]))
            for row in await conn.fetch(_TOLD_TAXES, taxed)
        }
    if of_buyers := [sale for sale in sales if sale.asks.who and sale.handle is not None]:
        known.buyers = await _buyers(conn, of_buyers, now)
        met = [sale for sale in of_buyers if sale.order_id in known.buyers]
        known.brought = await _brought(conn, [s for s in met if s.asks.referrers], known.buyers)
        known.segments = await _segments(conn, [s for s in met if s.asks.segments], known.buyers)
        if counted:
            ids = [sale.order_id for sale in sales]
            buyers = {known.buyers[sale.order_id].buyer_id for sale in met if sale.asks.order_no}
            known.orders_before = await _count_orders(conn, sorted(buyers), ids)
    return known


async def _buyers(conn: Connection, sales: Sequence[AskedSale], now: datetime | None) -> dict[OrderId, Buyer]:
    handles = {sale.order_id: sale.handle for sale in sales if sale.handle is not None}
    wanted = list(handles.values())
    found = await (found_buyers(conn, wanted) if now is None else known_buyers(conn, wanted, now))
    return {order_id: found[handle] for order_id, handle in handles.items() if handle in found}


async def _brought(
    conn: Connection, sales: Sequence[AskedSale], buyers: Mapping[OrderId, Buyer]
) -> dict[OrderId, Brought]:
    """Whoever would be paid for himself is left out, with whoever brought him: levels do not move up."""
    if not sales:
        return {}
    asked = {sale.order_id: Asked(buyers[sale.order_id].buyer_id, sale.sold_at) for sale in sales}
    referrers = await referrers_at(conn, list(asked.values()))
    pairs = [(each, name) for each, names in referrers.items() for name in names]
    by_id = {buyer.buyer_id: buyer.name for buyer in buyers.values()}
    rings = await rings_at(conn, pairs, by_id) if pairs else {}
    return {order_id: _kept(each, referrers[each], rings) for order_id, each in asked.items()}


def _kept(asked: Asked, names: Sequence[str], rings: Mapping[tuple[Asked, str], str]) -> Brought:
    for level, name in enumerate(names):
        why = rings.get((asked, name))
        if why is not None:
            left_out = [f"referrer of level {level + 1}, {name}: {why}"]
            left_out += [
                f"referrer of level {level + 2}, {above}: is paid for whom {name} brings, who is left out"
                for above in names[level + 1 :]
            ]
            return Brought(tuple(names[:level]), tuple(left_out))
    return Brought(tuple(names))


async def _segments(
    conn: Connection, sales: Sequence[AskedSale], buyers: Mapping[OrderId, Buyer]
) -> dict[OrderId, frozenset[str]]:
    if not sales:
        return {}
    asked = {sale.order_id: Asked(buyers[sale.order_id].buyer_id, sale.sold_at) for sale in sales}
    found = await segments_at(conn, list(asked.values()))
    return {order_id: found[each] for order_id, each in asked.items()}


async def _count_orders(
    conn: Connection, buyers: Sequence[BuyerId], order_ids: Sequence[OrderId]
) -> dict[BuyerId, int]:
    """How many orders of each buyer were delivered before these; nobody else may count until we commit."""
    numbers = {}
    for buyer_id in buyers:
        await conn.execute(_LOCK_BUYER, f"buyer {buyer_id}")
        numbers[buyer_id] = int(await conn.fetchval(_ORDERS_OF_BUYER, buyer_id, order_ids))
    return numbers
