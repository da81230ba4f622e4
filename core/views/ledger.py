"""Tells what stands on the accounts, what an order posted, and why its money was split so."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.db.pool import Connection, Record
from core.db.queries import load_queries
from core.errors import UnknownOrder
from core.money.money import Money
from core.money.splits import Posting, plan_from_json, postings, split_line
from core.types import OrderId

_SQL = load_queries("core.views", "ledger.sql")
_BALANCES = _SQL["balances"]
_TRANSACTIONS_OF_ORDER = _SQL["transactions_of_order"]
_SOLD_LINES = _SQL["sold_lines"]
_CONSIGNORS_AT_SALE = _SQL["consignors_at_sale"]


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
    """What one rule of the plan took from a line."""

    rule: str
    base_minor: int
    formula: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class ExplainedLine:
    """A sold line split anew by the plan it was sold under. `agrees`: that gives the entries that stand."""

    line_no: int
    transaction_id: int
    plan: str
    plan_version: int
    currency: str
    unit_price_minor: int
    quantity: int
    gross_minor: int
    consignors: Mapping[str, int]
    steps: tuple[ExplainedStep, ...]
    agrees: bool


@dataclass(frozen=True, slots=True)
class ExplainedOrder:
    """Why an order's money went where it went: its lines split step by step, and its entries."""

    order_id: OrderId
    lines: tuple[ExplainedLine, ...]
    journal: tuple[JournalEntry, ...]


async def balances(conn: Connection) -> tuple[Balance, ...]:
    """All accounts by currency, party and name. Reads the whole journal: not for every second."""
    return tuple(Balance(**dict(row)) for row in await conn.fetch(_BALANCES))


async def order_journal(conn: Connection, order_id: OrderId) -> tuple[JournalEntry, ...]:
    """What an order posted, sales and refunds, in the order in which it was posted."""
    return tuple(JournalEntry(**dict(row)) for row in await conn.fetch(_TRANSACTIONS_OF_ORDER, order_id))


async def explain_order(conn: Connection, order_id: OrderId) -> ExplainedOrder:
    """The split of every sold line, reckoned again; UnknownOrder if the order sold nothing."""
    journal = await order_journal(conn, order_id)
    lines = []
    for row in await conn.fetch(_SOLD_LINES, order_id):
        owners = [
            (str(owner["name"]), int(owner["codes"]))
            for owner in await conn.fetch(_CONSIGNORS_AT_SALE, order_id, row["line_no"], row["posted_at"])
        ]
        lines.append(_explain(row, owners, journal))
    if not lines:
        raise UnknownOrder(f"order {order_id}: no sale of it stands in the journal; was it delivered?")
    return ExplainedOrder(order_id, tuple(lines), journal)


def _explain(
    row: Record, owners: Sequence[tuple[str, int]], journal: Sequence[JournalEntry]
) -> ExplainedLine:
    rules = row["rules"]
    written = rules if isinstance(rules, str) else json.dumps(rules)
    plan = plan_from_json(row["plan_name"], int(row["plan_version"]), written)
    price = Money(int(row["unit_price_minor"]), row["currency"])
    quantity = sum(codes for _, codes in owners)
    split = split_line(plan, price, quantity, owners)
    own = [entry for entry in journal if entry.transaction_id == int(row["transaction_id"])]
    return ExplainedLine(
        line_no=int(row["line_no"]),
        transaction_id=int(row["transaction_id"]),
        plan=plan.name,
        plan_version=plan.version,
        currency=price.currency,
        unit_price_minor=price.amount_minor,
        quantity=quantity,
        gross_minor=price.times(quantity).amount_minor,
        consignors=dict(owners),
        steps=tuple(
            ExplainedStep(step.rule, step.base_minor, step.formula, step.amount_minor) for step in split.steps
        ),
        agrees=_agrees(postings(split, row["channel"], price.currency), own),
    )


def _agrees(expected: Sequence[Posting], entries: Sequence[JournalEntry]) -> bool:
    """Whether the entries are what the split gives, in whatever order."""
    wanted = sorted((p.party, p.party_name, p.purpose, p.amount_minor, p.currency) for p in expected)
    standing = sorted((e.party, e.party_name, e.purpose, e.amount_minor, e.currency) for e in entries)
    return wanted == standing
