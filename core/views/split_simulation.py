"""Tells what another plan would have given each party of real past sales, beside what they were given."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from core.buyers.fact_terms import FactTerms
from core.db.pool import Connection, Record
from core.db.queries import load_queries
from core.errors import PlanRefused
from core.money.money import Money
from core.money.plans.facts import CodesOf, Counted, SaleFacts
from core.money.plans.memory import Questions
from core.money.plans.periods import counted_rules, period_start
from core.money.plans.rules import PartyKind, Plan
from core.money.plans.stored import plan_from_json
from core.money.plans.waterfall import Split, evaluate
from core.money.sold import Sources, told_from_json
from core.orders.asked_facts import AskedSale, Asks, KnownFacts, know
from core.types import ChannelId, OrderId

_SQL = load_queries("core.views", "split_simulation.sql")
_ORDERS_SOLD_SINCE = _SQL["orders_sold_since"]
_LINES_SOLD = _SQL["lines_sold"]
_CODES_SOLD = _SQL["codes_sold"]
_ORDERS_BEFORE = _SQL["orders_before"]
_ORDERS_AT_ONCE = 500
_REASONS_KEPT = 5

_Line = tuple[int, int]


@dataclass(frozen=True, slots=True)
class PartyChange:
    """What a party got of the sales, and would have got; consignors by name."""

    party: str
    party_name: str
    currency: str
    old_minor: int
    new_minor: int


@dataclass(frozen=True, slots=True)
class SplitSimulation:
    """Both plans over the same sales; those that the new one could not split are left out of both sums."""

    plan: str
    since: datetime
    lines: int
    unsplit: int
    reasons: tuple[str, ...]
    parties: tuple[PartyChange, ...]
    # What the new plan asked for and was told, and of how many lines.
    told: tuple[tuple[str, int], ...] = ()


@dataclass(slots=True)
class SplitReplay:
    """Splits past sales again, in the order in which they were sold; what rules count begins at nothing."""

    plan: Plan
    since: datetime
    # How facts are told on each channel, by its name.
    terms: Mapping[str, FactTerms] = field(default_factory=dict)
    _told: dict[str, int] = field(default_factory=dict)
    _sums: dict[tuple[str, str, str], list[int]] = field(default_factory=dict)
    _plans: dict[int, Plan] = field(default_factory=dict)
    _counted: dict[tuple[str, str, datetime], Counted] = field(default_factory=dict)
    _lines: int = 0
    _unsplit: int = 0
    _reasons: list[str] = field(default_factory=list)

    async def run(self, conn: Connection) -> AsyncIterator[tuple[int, int]]:
        """Orders done and orders in all, again and again until done; within a read-only transaction."""
        orders = [int(row["order_id"]) for row in await conn.fetch(_ORDERS_SOLD_SINCE, self.since)]
        yield 0, len(orders)
        for start in range(0, len(orders), _ORDERS_AT_ONCE):
            ids = orders[start : start + _ORDERS_AT_ONCE]
            codes: dict[_Line, list[Record]] = {}
            for row in await conn.fetch(_CODES_SOLD, ids):
                codes.setdefault((row["order_id"], row["line_no"]), []).append(row)
            by_order: dict[int, list[Record]] = {}
            for row in await conn.fetch(_LINES_SOLD, ids):
                by_order.setdefault(int(row["order_id"]), []).append(row)
            asked = {order_id: self._asked(rows[0]) for order_id, rows in by_order.items()}
            known = await know(conn, list(asked.values()), None, counted=False)
            numbers = await _orders_before(conn, by_order, known) if self._questions.order_no else {}
            for order_id, rows in by_order.items():
                self._order(rows, codes, _Known(asked[order_id], known, numbers.get(order_id)))
            yield start + len(ids), len(orders)

    def result(self) -> SplitSimulation:
        """The sums so far, the largest change first."""
        changes = (PartyChange(*key, old, new) for key, (old, new) in self._sums.items())
        return SplitSimulation(
            self.plan.name,
            self.since,
            self._lines,
            self._unsplit,
            tuple(self._reasons),
            tuple(sorted(changes, key=lambda each: (-abs(each.new_minor - each.old_minor), each.party))),
            tuple(sorted(self._told.items())),
        )

    @property
    def _questions(self) -> Questions:
        return Questions.of(self.plan)

    def _asked(self, row: Record) -> AskedSale:
        return AskedSale(
            order_id=OrderId(row["order_id"]),
            channel_id=ChannelId(row["channel_id"]),
            currency=row["currency"],
            sold_at=min(row["placed_at"], row["posted_at"]),
            buyer_ref=row["buyer_ref"],
            asks=Asks.of([self._questions]),
            terms=self.terms.get(row["channel"], FactTerms()),
        )

    def _order(self, rows: Sequence[Record], codes: dict[_Line, list[Record]], known: _Known) -> None:
        lines = [row for row in rows if (row["order_id"], row["line_no"]) in codes]
        each = [
            row["unit_price_minor"] * sum(part["codes"] for part in codes[row["order_id"], row["line_no"]])
            for row in lines
        ]
        for index, row in enumerate(lines):
            self._lines += 1
            facts = _facts(row, codes[row["order_id"], row["line_no"]], tuple(each), index)
            number = known.order_no if facts.buyer_order_no is None else facts.buyer_order_no
            line_no = int(row["line_no"])
            try:
                told, sources = known.facts.tell(known.sale, line_no, facts, self._questions, number)
                told = replace(told, counted=self._counted_before(told))
                new = known.facts.split(known.sale, line_no, self.plan, told)
            except PlanRefused as refused:
                self._unsplit += 1
                if str(refused) not in self._reasons and len(self._reasons) < _REASONS_KEPT:
                    self._reasons.append(str(refused))
                continue
            self._count(new)
            self._note(told, sources)
            self._add(_old(row, facts, self._plans), 0)
            self._add(new, 1)

    def _note(self, facts: SaleFacts, sources: Sources) -> None:
        """Count what the plan was told of a line."""
        found = [f"belongs to {name}" for name in facts.segments]
        found += [f"brought by a referrer of level {level + 1}" for level in range(len(facts.referrers))]
        found += ["a referrer left out"] if sources.left_out else []
        found += ["tax in the price"] if sources.tax and facts.unit_tax_minor else []
        found += ["cost in another currency"] if sources.costs else []
        for what in found:
            self._told[what] = self._told.get(what, 0) + 1

    def _counted_before(self, facts: SaleFacts) -> dict[str, Counted]:
        return {name: self._counted.get(key, Counted()) for name, key in self._keys(facts).items()}

    def _keys(self, facts: SaleFacts) -> dict[str, tuple[str, str, datetime]]:
        own = {rule.name for rule in self.plan.rules if rule.party.kind is PartyKind.CHANNEL}
        return {
            name: (name, facts.channel if name in own else "", period_start(per, facts.sold_at))
            for name, per in counted_rules(self.plan).items()
        }

    def _count(self, split: Split) -> None:
        keys = self._keys(split.facts)
        for index, rule in enumerate(split.plan.rules):
            if rule.name in keys and split.unmet[index] is None:
                before = self._counted.get(keys[rule.name], Counted())
                taken_minor, base_minor = split.amount_minor(index), split.base_minor(index)
                self._counted[keys[rule.name]] = before.after(taken_minor, base_minor, split.facts.quantity)

    def _add(self, split: Split, which: int) -> None:
        for run in split.runs:
            for rule, amount_minor in zip(split.plan.rules, run.amounts_minor, strict=True):
                name = run.consignor if rule.party.kind is PartyKind.CONSIGNOR else ""
                self._sum(str(rule.party), name, split.currency, which, amount_minor * run.count)
            self._sum("operator", "", split.currency, which, run.loss_minor * run.count)

    def _sum(self, party: str, name: str, currency: str, which: int, amount_minor: int) -> None:
        if amount_minor:
            self._sums.setdefault((party, name, currency), [0, 0])[which] += amount_minor


@dataclass(frozen=True, slots=True)
class _Known:
    """What was read for an order, and which of its buyer's it was."""

    sale: AskedSale
    facts: KnownFacts
    order_no: int | None


async def _orders_before(
    conn: Connection, by_order: Mapping[int, Sequence[Record]], known: KnownFacts
) -> dict[int, int]:
    """Which order of its buyer's each of them was when it was posted."""
    buyers = {order_id: known.buyers[OrderId(order_id)] for order_id in by_order if order_id in known.buyers}
    rows = await conn.fetch(
        _ORDERS_BEFORE,
        list(buyers),
        [buyer.buyer_id for buyer in buyers.values()],
        [by_order[order_id][0]["posted_at"] for order_id in buyers],
    )
    return {int(row["order_id"]): int(row["orders"]) + 1 for row in rows}


def _facts(row: Record, codes: Sequence[Record], order_lines_minor: tuple[int, ...], index: int) -> SaleFacts:
    """What the order says of a line; which of the buyer's orders it was, where that was told then."""
    kept = None if row["facts"] is None else told_from_json(row["facts"]).facts
    return SaleFacts(
        unit_price=Money(int(row["unit_price_minor"]), row["currency"]),
        codes=tuple(CodesOf(each["name"], each["codes"]) for each in codes),
        channel=row["channel"],
        sold_at=min(row["placed_at"], row["posted_at"]),
        sku=row["sku_ref"],
        tags=frozenset(row["tags"]),
        unit_redeemed_minor=row["unit_redeemed_minor"],
        buyer=None if row["buyer_ref"] is None else f"{row['channel']}/{row['buyer_ref']}",
        buyer_order_no=None if kept is None else kept.buyer_order_no,
        order_lines_minor=order_lines_minor,
        line_index=index,
    )


def _old(row: Record, facts: SaleFacts, plans: dict[int, Plan]) -> Split:
    """As it was split: by its own plan, of what that was told."""
    plan_id = int(row["plan_id"])
    if plan_id not in plans:
        plans[plan_id] = plan_from_json(row["plan_name"], int(row["plan_version"]), json.dumps(row["rules"]))
    if row["facts"] is not None:
        told = told_from_json(row["facts"]).facts
        facts = replace(told, unit_redeemed_minor=row["unit_redeemed_minor"])
    return evaluate(plans[plan_id], facts)
