"""Reads what the lines of sales are, and holds what rules count until it is posted.

All of it in the caller's transaction: a counter is locked until it commits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from core.db.pool import Connection
from core.db.queries import load_queries
from core.money.plans.facts import CodesOf, Counted
from core.money.plans.periods import counted_rules, period_start
from core.money.plans.rules import PartyKind, Plan
from core.orders.closing_group import Consignors
from core.types import OrderId

_SQL = load_queries("core.orders", "planned.sql")
_LINES_TO_SPLIT = _SQL["lines_to_split"]
_ADD_COUNTERS = _SQL["add_counters"]
_LOCK_COUNTERS = _SQL["lock_counters"]
_SET_COUNTERS = _SQL["set_counters"]

Line = tuple[OrderId, int]


@dataclass(frozen=True, slots=True)
class LineFacts:
    """What a line is, and who bought it where the channel tells."""

    sku: str
    tags: frozenset[str]
    buyer_ref: str | None


class CounterKey(NamedTuple):
    """What a rule counts together: by channel where it is the channel's own rule, else over all of them."""

    plan_name: str
    rule: str
    scope: str
    currency: str
    period_start: datetime


@dataclass(slots=True)
class Counters:
    """What rules have counted, as far as these sales go; written back when they are posted."""

    counted: dict[CounterKey, Counted] = field(default_factory=dict)

    async def hold(self, conn: Connection, keys: set[CounterKey]) -> None:
        """Lock counters and read them, in the order of their keys."""
        if keys:
            columns = _columns(sorted(keys))
            await conn.execute(_ADD_COUNTERS, *columns)
            for row in await conn.fetch(_LOCK_COUNTERS, *columns):
                *key, taken_minor, turnover_minor, units = row
                self.counted[CounterKey(*key)] = Counted(taken_minor, turnover_minor, units)

    async def write(self, conn: Connection) -> None:
        """Write what they have counted."""
        if self.counted:
            each = self.counted.values()
            sums = ([c.taken_minor for c in each], [c.turnover_minor for c in each], [c.units for c in each])
            await conn.execute(_SET_COUNTERS, *_columns(list(self.counted)), *sums)


def counter_keys(plan: Plan, channel: str, currency: str, at: datetime) -> dict[str, CounterKey]:
    """The counter of each rule that has one. Pure."""
    parties = {rule.name: rule.party.kind for rule in plan.rules}
    return {
        name: CounterKey(
            plan.name,
            name,
            channel if parties[name] is PartyKind.CHANNEL else "",
            currency,
            period_start(per, at),
        )
        for name, per in counted_rules(plan).items()
    }


async def read_lines(conn: Connection, order_ids: Sequence[OrderId]) -> dict[Line, LineFacts]:
    """What the lines of these orders are."""
    return {
        (OrderId(row["order_id"]), int(row["line_no"])): LineFacts(
            row["sku_ref"], frozenset(row["tags"]), row["buyer_ref"]
        )
        for row in await conn.fetch(_LINES_TO_SPLIT, order_ids)
    }


def without_costs(consignors: Consignors) -> tuple[CodesOf, ...]:
    """The codes of a line, as plans that do not ask for costs take them. Pure."""
    return tuple(CodesOf(name, codes) for name, codes in consignors)


def _columns(keys: Sequence[CounterKey]) -> list[list[object]]:
    return [list(column) for column in zip(*keys, strict=True)]
