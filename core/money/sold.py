"""Reads sales back as the engine split them: the plan, what it was told, what has happened, what stands."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pydantic import TypeAdapter

from core.db.pool import Connection, Record
from core.db.queries import load_queries
from core.money.conversion import Conversion
from core.money.money import Money
from core.money.plans.facts import CodesOf, Milestones, SaleFacts
from core.money.plans.journal import Account, position
from core.money.plans.refunds import Refunded
from core.money.plans.stored import plan_from_json
from core.money.plans.waterfall import Split, evaluate
from core.types import Lane, OrderId

_SQL = load_queries("core.money", "sold.sql")
_SOLD_LINES = _SQL["sold_lines"]
_CONSIGNORS_AT_SALE = _SQL["consignors_at_sale"]
_REDEMPTIONS = _SQL["redemptions"]
_REFUNDS = _SQL["refunds"]
_STANDING = _SQL["standing"]
_LOCK_SALES = _SQL["lock_sales"]


@dataclass(frozen=True, slots=True)
class ConvertedCost:
    """What a code cost in another currency, and by which rate it became that of the sale."""

    consignor: str
    unit_cost: Money
    unit_cost_minor: int
    rate: Conversion


@dataclass(frozen=True, slots=True)
class Sources:
    """Where facts come from: who told the tax, rates of costs, and which referrers were left out and why."""

    tax: str | None = None
    costs: tuple[ConvertedCost, ...] = ()
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """What a plan was told of a line beside its price and owners, and who chose the plan; kept as JSON."""

    facts: SaleFacts
    hold: timedelta
    chosen_by: str
    # Where the split came later than the delivery.
    delivered_at: datetime | None = None
    sources: Sources = field(default_factory=Sources)


_TOLD = TypeAdapter(Told)


def told_to_json(told: Told) -> object:
    """As a row keeps it."""
    return json.loads(_TOLD.dump_json(told))


def told_from_json(stored: object) -> Told:
    """As it was kept."""
    return _TOLD.validate_json(json.dumps(stored))


@dataclass(frozen=True, slots=True)
class Sold:
    """One sold line as it stands now; `refunds` counts those there were, `whole` that nothing is left."""

    sale_id: int
    order_id: OrderId
    line_no: int
    lane: Lane
    plan_id: int
    chosen_by: str
    sources: Sources
    posted_at: datetime
    split: Split
    milestones: Milestones
    refunded: Refunded
    refunds: int
    whole: bool
    standing: Mapping[Account, int]

    def expected(self, now: datetime) -> dict[Account, int]:
        """What should stand on each account at a moment, by the engine."""
        return position(self.split, self.refunded, self.milestones, now)


async def load_sold(conn: Connection, order_id: OrderId, *, lock: bool = False) -> list[Sold]:
    """The sales of an order, line by line; locked, nobody else changes what stands on them meanwhile."""
    if lock:
        await conn.execute(_LOCK_SALES, order_id)
    rows = await conn.fetch(_SOLD_LINES, order_id)
    redeemed = {row["line_no"]: row for row in await conn.fetch(_REDEMPTIONS, order_id)}
    ids = [int(row["transaction_id"]) for row in rows]
    refunds: dict[int, list[Record]] = {sale_id: [] for sale_id in ids}
    for row in await conn.fetch(_REFUNDS, ids):
        refunds[int(row["sale_id"])].append(row)
    sold = []
    for row in rows:
        told = await _told(conn, order_id, row)
        standing = await conn.fetch(_STANDING, int(row["transaction_id"]), order_id, row["line_no"])
        parts = refunds[int(row["transaction_id"])]
        sold.append(_sold(order_id, row, told, redeemed.get(row["line_no"]), parts, standing))
    return sold


async def _told(conn: Connection, order_id: OrderId, row: Record) -> Told:
    """As it was kept; a plain plan is told nothing that does not stand in the order itself."""
    if row["facts"] is not None:
        return told_from_json(row["facts"])
    owners = await conn.fetch(_CONSIGNORS_AT_SALE, order_id, row["line_no"], row["posted_at"])
    facts = SaleFacts(
        unit_price=Money(int(row["unit_price_minor"]), row["currency"]),
        codes=tuple(CodesOf(str(owner["name"]), int(owner["codes"])) for owner in owners),
        channel=row["channel"],
        sold_at=min(row["placed_at"], row["posted_at"]),
    )
    return Told(facts, timedelta(0), f"channels.{row['channel']}.split")


def _sold(
    order_id: OrderId,
    row: Record,
    told: Told,
    redeemed: Record | None,
    parts: Sequence[Record],
    standing: Sequence[Record],
) -> Sold:
    plan = plan_from_json(row["plan_name"], int(row["plan_version"]), json.dumps(row["rules"]))
    facts = told.facts
    if redeemed is not None:
        facts = replace(facts, unit_redeemed_minor=int(redeemed["unit_redeemed_minor"]))
    split = evaluate(plan, facts)
    return Sold(
        sale_id=int(row["transaction_id"]),
        order_id=order_id,
        line_no=int(row["line_no"]),
        lane=Lane(row["lane"]),
        plan_id=int(row["plan_id"]),
        chosen_by=told.chosen_by,
        sources=told.sources,
        posted_at=row["posted_at"],
        split=split,
        milestones=Milestones(
            facts.sold_at,
            told.delivered_at or row["posted_at"],
            None if redeemed is None else redeemed["first_at"],
            told.hold,
        ),
        refunded=_refunded(split, parts),
        refunds=len(parts),
        whole=any(part["amounts_minor"] is None for part in parts),
        standing={
            (str(each["party"]), str(each["party_name"]), str(each["purpose"])): int(each["amount_minor"])
            for each in standing
        },
    )


def _refunded(split: Split, parts: Sequence[Record]) -> Refunded:
    if not parts:
        return Refunded.nothing(split)
    if parts[-1]["amounts_minor"] is None:
        return Refunded.everything(split)
    return Refunded(tuple(parts[-1]["amounts_minor"]), tuple(parts[-1]["free_units"]))
