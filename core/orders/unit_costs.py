"""Decides what the codes of a sale cost in its currency, by the rate that was valid when it was sold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from core.buyers.fact_terms import FactTerms
from core.db.pool import Connection
from core.db.queries import load_queries
from core.money.conversion import Conversion
from core.money.exchange import convert
from core.money.money import Money
from core.money.plans.facts import CodesOf
from core.money.rates import Pair, read_rates_at
from core.money.sold import ConvertedCost
from core.types import OrderId

_CODES_BY_COST = load_queries("core.orders", "planned.sql")["codes_by_cost"]

Line = tuple[OrderId, int]
# In what currency an order was sold, when, and on which terms rates are taken there.
Sold = tuple[str, datetime, FactTerms]


@dataclass(frozen=True, slots=True)
class Costs:
    """Whose the codes of a line are and what they cost; what was converted, and why a cost is not known."""

    codes: tuple[CodesOf, ...] = ()
    converted: tuple[ConvertedCost, ...] = ()
    missing: str | None = None

    def with_codes(
        self, codes: CodesOf, converted: ConvertedCost | None = None, missing: str | None = None
    ) -> Costs:
        """The same with some more codes."""
        more = () if converted is None else (converted,)
        return Costs((*self.codes, codes), self.converted + more, self.missing or missing)


@dataclass(frozen=True, slots=True)
class _Shelf:
    """Codes of one consignor and cost, in one line."""

    line: Line
    consignor: str
    codes: int
    cost: Money | None


async def costs_at_sale(conn: Connection, sold: Mapping[OrderId, Sold]) -> dict[Line, Costs]:
    """What the codes of these orders cost, line by line, in the currencies they were sold in."""
    shelves = [
        _Shelf(
            (OrderId(row["order_id"]), int(row["line_no"])),
            row["name"],
            row["codes"],
            None if row["unit_cost_minor"] is None else Money(row["unit_cost_minor"], row["currency"]),
        )
        for row in await conn.fetch(_CODES_BY_COST, list(sold))
    ]
    rates = await _rates(conn, shelves, sold)
    found: dict[Line, Costs] = {}
    for shelf in shelves:
        currency, at, terms = sold[shelf.line[0]]
        pair = (shelf.cost.currency, currency) if shelf.cost else None
        rate = None if pair is None else rates.get((pair, at))
        found[shelf.line] = _cost(found.get(shelf.line, Costs()), shelf, currency, at, terms, rate)
    return found


async def _rates(
    conn: Connection, shelves: list[_Shelf], sold: Mapping[OrderId, Sold]
) -> dict[tuple[Pair, datetime], Conversion]:
    by_pivot: dict[str, set[tuple[Pair, datetime]]] = {}
    for shelf in shelves:
        currency, at, terms = sold[shelf.line[0]]
        if shelf.cost is not None and shelf.cost.currency != currency:
            by_pivot.setdefault(terms.pivot, set()).add(((shelf.cost.currency, currency), at))
    found: dict[tuple[Pair, datetime], Conversion] = {}
    for pivot, wanted in by_pivot.items():
        found |= await read_rates_at(conn, wanted, pivot)
    return found


def _cost(
    costs: Costs, shelf: _Shelf, currency: str, at: datetime, terms: FactTerms, rate: Conversion | None
) -> Costs:
    if shelf.cost is None or shelf.cost.currency == currency:
        cost_minor = None if shelf.cost is None else shelf.cost.amount_minor
        return costs.with_codes(CodesOf(shelf.consignor, shelf.codes, cost_minor))
    unknown = CodesOf(shelf.consignor, shelf.codes)
    base = shelf.cost.currency
    mend = f"write one with `consignd rates set {base} {currency} RATE --at {at:%Y-%m-%dT%H:%M:%S}`"
    if rate is None:
        missing = f"no rate from {base} to {currency} is known of {at:%Y-%m-%d %H:%M} UTC: {mend}"
        return costs.with_codes(unknown, missing=missing)
    if at - rate.at > terms.rate_max_age:
        hours = terms.rate_max_age.total_seconds() / 3600
        missing = (
            f"the last rate from {base} to {currency} before the sale is of {rate.at:%Y-%m-%d %H:%M} UTC"
            f" ({rate.source}), older than the {hours:g} hours that [rates] max_age_hours allows: {mend}"
        )
        return costs.with_codes(unknown, missing=missing)
    converted = convert(shelf.cost, rate)
    return costs.with_codes(
        CodesOf(shelf.consignor, shelf.codes, converted.amount_minor),
        ConvertedCost(shelf.consignor, shelf.cost, converted.amount_minor, rate),
    )
