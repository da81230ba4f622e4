"""Tells where an order's money went rule by rule, and what each rule gave back when it was refunded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core.db.pool import Connection
from core.db.queries import load_queries
from core.money.plans.refunds import returned
from core.money.plans.rules import OnRefund
from core.money.sold import Sold, load_sold
from core.types import OrderId
from core.views.ledger import ExplainedLine, ExplainedOrder, explain_order

_REFUNDS = load_queries("core.views", "money_split.sql")["refunds"]
_WHY = {
    OnRefund.PROPORTIONAL: "gives back in proportion",
    OnRefund.FULL: "gives back its whole share of every unit that is refunded, even in part",
    OnRefund.KEPT: "keeps its share",
}


@dataclass(frozen=True, slots=True)
class GivenBack:
    """What a rule gave back of its share, and why so much."""

    rule: str
    party: str
    amount_minor: int
    why: str


@dataclass(frozen=True, slots=True)
class RefundView:
    """A refund of a part of a line or of all of it."""

    line_no: int
    refund_no: int
    refunded_at: datetime
    actor: str
    reason: str
    transaction_id: int
    currency: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class SplitLine:
    """A sold line: how it was split, what of it went back to the buyer, and who gave that."""

    line: ExplainedLine
    refunded_minor: int
    back: tuple[GivenBack, ...]
    refunds: tuple[RefundView, ...]


@dataclass(frozen=True, slots=True)
class OrderSplit:
    """An order's money, line by line."""

    order: ExplainedOrder
    lines: tuple[SplitLine, ...]


async def order_split(conn: Connection, order_id: OrderId) -> OrderSplit:
    """Both waterfalls of every sold line, of one moment; UnknownOrder if the order sold nothing."""
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        order = await explain_order(conn, order_id)
        sold = {each.line_no: each for each in await load_sold(conn, order_id)}
        refunds = [RefundView(**dict(row)) for row in await conn.fetch(_REFUNDS, order_id)]
    lines = (_line(line, sold[line.line_no], refunds) for line in order.lines)
    return OrderSplit(order, tuple(lines))


def _line(line: ExplainedLine, sold: Sold, refunds: Sequence[RefundView]) -> SplitLine:
    own = tuple(each for each in refunds if each.line_no == line.line_no)
    return SplitLine(line, line.refunded_minor, _given_back(sold) if own else (), own)


def _given_back(sold: Sold) -> tuple[GivenBack, ...]:
    """Every rule's part of what was refunded so far; they sum to it."""
    parts, plan = returned(sold.split, sold.refunded), sold.split.plan
    given = [
        GivenBack(
            rule.name,
            str(rule.party),
            sum(part.amounts_minor[index] for part in parts),
            _WHY[rule.on_refund],
        )
        for index, rule in enumerate(plan.rules)
    ]
    loss_minor = sum(part.loss_minor for part in parts)
    borne_minor = sum(part.borne_minor for part in parts)
    if loss_minor:
        given.append(GivenBack("loss", "operator", loss_minor, "the part of the loss that was refunded"))
    if borne_minor:
        party = str(plan.kept_borne_by)
        given.append(GivenBack("what others kept", party, borne_minor, "bears what others keep of a refund"))
    assert sum(each.amount_minor for each in given) == sum(sold.refunded.amounts_minor), "all of it came back"
    return tuple(given)
