"""Tells what stands on the accounts, what an order posted, and why its money was split so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from core.db.pool import Connection
from core.db.queries import load_queries
from core.errors import UnknownOrder
from core.money.plans.explaining import Step, waterfall
from core.money.plans.journal import Due, schedule
from core.money.sold import Sold, load_sold
from core.types import OrderId
from core.views.rates import decimal_text

_SQL = load_queries("core.views", "ledger.sql")
_BALANCES = load_queries("core.views", "journal.sql")["balances"]
_TRANSACTIONS_OF_ORDER = _SQL["transactions_of_order"]


@dataclass(frozen=True, slots=True)
class Balance:
    """What stands on an account: debit positive, credit negative, in minor units."""

    party: str
    party_name: str
    purpose: str
    currency: str
    balance_minor: int
    entries: int


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One entry of an order's journal, with the transaction it belongs to."""

    transaction_id: int
    kind: str
    line_no: int
    reverses_id: int | None
    posted_at: datetime
    entry_no: int
    party: str
    party_name: str
    purpose: str
    currency: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class ExplainedStep:
    """What one rule took from a line: from where to where it fell, why, and when it may be paid."""

    number: int
    rule: str
    party: str
    base: str
    base_minor: int
    amount_minor: int
    from_minor: int
    to_minor: int
    formula: str
    applied: bool
    vests: str


@dataclass(frozen=True, slots=True)
class ExplainedCost:
    """What a code cost in another currency, and what it was in the sale's by which rate."""

    consignor: str
    cost: str
    unit_cost_minor: int
    rate: str
    source: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ExplainedFacts:
    """What the plan was told beside the price, if it asked; `left_out` says who got nothing and why."""

    buyer: str | None = None
    buyer_order_no: int | None = None
    referrers: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    tax_minor: int | None = None
    tax_from: str | None = None
    costs: tuple[ExplainedCost, ...] = ()


@dataclass(frozen=True, slots=True)
class ExplainedLine:
    """A sold line split anew by the plan it was sold under.

    `agrees`: what stands on its accounts is what the engine says, as of the last thing that happened.
    """

    line_no: int
    transaction_id: int
    plan: str
    plan_version: int
    chosen_by: str
    currency: str
    unit_price_minor: int
    quantity: int
    gross_minor: int
    refunded_minor: int
    consignors: Mapping[str, int]
    steps: tuple[ExplainedStep, ...]
    dues: tuple[ExplainedDue, ...]
    agrees: bool
    facts: ExplainedFacts = field(default_factory=ExplainedFacts)


@dataclass(frozen=True, slots=True)
class ExplainedDue:
    """A part of a share that has not vested: whose it becomes, and when; no date: when something happens."""

    rule: str
    party: str
    party_name: str
    amount_minor: int
    at: datetime | None
    lapses: bool


@dataclass(frozen=True, slots=True)
class ExplainedOrder:
    """Why an order's money went where it went: its lines split step by step, and its entries."""

    order_id: OrderId
    lines: tuple[ExplainedLine, ...]
    journal: tuple[JournalEntry, ...]


async def balances(conn: Connection) -> tuple[Balance, ...]:
    """All accounts by currency, party and name, at this moment.

    From totals and the unsealed tail: it costs the same however long the journal is.
    """
    return tuple(Balance(**dict(row)) for row in await conn.fetch(_BALANCES))


async def order_journal(conn: Connection, order_id: OrderId) -> tuple[JournalEntry, ...]:
    """What an order posted, sales and refunds, in the order in which it was posted."""
    return tuple(JournalEntry(**dict(row)) for row in await conn.fetch(_TRANSACTIONS_OF_ORDER, order_id))


async def explain_order(conn: Connection, order_id: OrderId) -> ExplainedOrder:
    """The split of every sold line, reckoned again; UnknownOrder if the order sold nothing."""
    journal = await order_journal(conn, order_id)
    lines = tuple(_explain(sold, journal) for sold in await load_sold(conn, order_id))
    if not lines:
        raise UnknownOrder(f"order {order_id}: no sale of it stands in the journal; was it delivered?")
    return ExplainedOrder(order_id, lines, journal)


def _explain(sold: Sold, journal: Sequence[JournalEntry]) -> ExplainedLine:
    split, now = sold.split, max(entry_at for entry_at in _moments(sold, journal))
    facts = split.facts
    consignors: dict[str, int] = {}
    for codes in facts.codes:
        consignors[codes.consignor] = consignors.get(codes.consignor, 0) + codes.quantity
    return ExplainedLine(
        line_no=sold.line_no,
        transaction_id=sold.sale_id,
        plan=split.plan.name,
        plan_version=split.plan.version,
        chosen_by=sold.chosen_by,
        currency=split.currency,
        unit_price_minor=facts.unit_price.amount_minor,
        quantity=facts.quantity,
        gross_minor=facts.gross_minor,
        refunded_minor=sum(sold.refunded.amounts_minor),
        consignors=consignors,
        steps=tuple(_step(step) for step in waterfall(split).steps),
        dues=tuple(_due(due) for due in schedule(split, sold.refunded, sold.milestones, now)),
        agrees=sold.expected(now) == dict(sold.standing),
        facts=_facts(sold),
    )


def _facts(sold: Sold) -> ExplainedFacts:
    facts, sources = sold.split.facts, sold.sources
    tax_minor = sum(facts.tax_minor(codes) * codes.quantity for codes in facts.codes)
    return ExplainedFacts(
        buyer=facts.buyer,
        buyer_order_no=facts.buyer_order_no,
        referrers=facts.referrers,
        left_out=sources.left_out,
        segments=tuple(sorted(facts.segments)),
        tax_minor=None if sources.tax is None else tax_minor,
        tax_from=sources.tax,
        costs=tuple(
            ExplainedCost(
                consignor=cost.consignor,
                cost=str(cost.unit_cost),
                unit_cost_minor=cost.unit_cost_minor,
                rate=decimal_text(cost.rate),
                source=cost.rate.source,
                at=cost.rate.at,
            )
            for cost in sources.costs
        ),
    )


def _moments(sold: Sold, journal: Sequence[JournalEntry]) -> list[datetime]:
    """When something was posted about a line: what vested since is posted by the next sweep."""
    return [sold.posted_at, *(entry.posted_at for entry in journal if entry.line_no == sold.line_no)]


def _step(step: Step) -> ExplainedStep:
    return ExplainedStep(
        number=step.number,
        rule=step.rule,
        party=step.party,
        base=step.base,
        base_minor=step.base_minor,
        amount_minor=step.amount_minor,
        from_minor=step.from_minor,
        to_minor=step.to_minor,
        formula=step.why,
        applied=step.applied,
        vests=step.vests,
    )


def _due(due: Due) -> ExplainedDue:
    party, name, _ = due.owner
    return ExplainedDue(due.rule, party, name, due.amount_minor, due.at, due.lapses)
