"""Tells what was drawn up for payees: settlements, what became of them, and entry by entry why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from core.db.pool import Connection
from core.db.queries import load_queries
from core.errors import UnknownSettlement

_SQL = load_queries("core.money.settlement", "reading.sql")
_SETTLEMENTS = _SQL["settlements"]
_MOVES = _SQL["moves"]
_APPROVALS = _SQL["approvals"]
_PAYMENT = _SQL["payment"]
_HELD = _SQL["held"]
_SUMS = _SQL["sums"]
_LINES = _SQL["lines"]

LineKey = tuple[datetime, int, int]
# A place, and not none: then the index is read from there on.
_BEFORE_ALL: LineKey = (datetime.min.replace(tzinfo=UTC), 0, 0)


@dataclass(frozen=True, slots=True)
class SettlementView:
    """A settlement of one payee in one currency. Amounts are what we owe: above zero is the payee's.

    `due_minor` is what is to be paid: its lines, less what is kept in reserve. The rate is that of the day
    on which it was drawn up, for a payee who is paid in another currency.
    """

    settlement_id: int
    party: str
    party_name: str
    currency: str
    state: str
    until: datetime
    cycle: str
    entries: int
    opening_minor: int
    paid_since_minor: int
    freed_since_minor: int
    lines_minor: int
    closing_minor: int
    reserve_minor: int
    reserve_days: int
    held_minor: int
    due_minor: int
    approvals_needed: int
    approvals: int
    paid_in: str | None
    rate_numerator: int | None
    rate_denominator: int | None
    rate_source: str | None
    rate_at: datetime | None
    language: str
    drawn_at: datetime
    drawn_by: str
    previous_id: int | None
    since: datetime | None


@dataclass(frozen=True, slots=True)
class MoveView:
    """A step of a settlement, and who took it."""

    move_no: int
    to_state: str
    moved_at: datetime
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class ApprovalView:
    """Somebody who agreed."""

    approver: str
    approved_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class PaymentView:
    """What left our bank; in another currency with the rate of the day, what it brought and what it cost."""

    paid_on: datetime
    payment_ref: str
    amount_minor: int
    currency: str
    gain_minor: int
    fee_minor: int
    transaction_id: int | None
    fx_transaction_id: int | None
    noted_at: datetime
    actor: str
    base: str | None
    numerator: int | None
    denominator: int | None
    rate_source: str | None
    rate_at: datetime | None


@dataclass(frozen=True, slots=True)
class HeldView:
    """What was held, and the day from which it is payable; none: when what it waits for happens."""

    payable_on: date | None
    amount_minor: int


@dataclass(frozen=True, slots=True)
class KindSum:
    """What the lines of one kind of transaction come to."""

    kind: str
    credited_minor: int
    charged_minor: int
    entries: int


@dataclass(frozen=True, slots=True)
class SettlementLine:
    """An entry of what we owe, with the sale it is about."""

    transaction_id: int
    entry_no: int
    kind: str
    posted_at: datetime
    amount_minor: int
    order_id: int | None
    line_no: int | None
    channel: str | None
    order_ref: str | None
    sku_ref: str | None
    quantity: int | None
    unit_price_minor: int | None
    price_currency: str | None
    # The settlement that it puts right, and why.
    corrects_id: int | None
    why: str | None

    @property
    def key(self) -> LineKey:
        """Its place among the lines."""
        return self.posted_at, self.transaction_id, self.entry_no


@dataclass(frozen=True, slots=True)
class SettlementDetail:
    """All there is of a settlement but its lines."""

    settlement: SettlementView
    sums: tuple[KindSum, ...]
    held: tuple[HeldView, ...]
    approvals: tuple[ApprovalView, ...]
    moves: tuple[MoveView, ...]
    payment: PaymentView | None


async def settlements(
    conn: Connection,
    *,
    party: str | None = None,
    party_name: str | None = None,
    state: str | None = None,
    before: int | None = None,
    limit: int = 100,
) -> tuple[SettlementView, ...]:
    """Settlements, newest first."""
    rows = await conn.fetch(_SETTLEMENTS, party, party_name, state, None, before, limit)
    return tuple(SettlementView(**dict(row)) for row in rows)


async def find_settlement(conn: Connection, settlement_id: int) -> SettlementView:
    """One settlement; UnknownSettlement if there is none."""
    rows = await conn.fetch(_SETTLEMENTS, None, None, None, settlement_id, None, 1)
    if not rows:
        raise UnknownSettlement(
            f"settlement {settlement_id} is not known; `consignd settlements list` lists them"
        )
    return SettlementView(**dict(rows[0]))


async def settlement_detail(conn: Connection, settlement_id: int) -> SettlementDetail:
    """All there is of one but its lines; UnknownSettlement if there is none."""
    found = await find_settlement(conn, settlement_id)
    payment = await conn.fetchrow(_PAYMENT, settlement_id)
    return SettlementDetail(
        found,
        tuple(
            KindSum(
                row["kind"], int(row["credited_minor"] or 0), int(row["charged_minor"] or 0), row["entries"]
            )
            for row in await conn.fetch(_SUMS, settlement_id)
        ),
        tuple(HeldView(**dict(row)) for row in await conn.fetch(_HELD, settlement_id)),
        tuple(ApprovalView(**dict(row)) for row in await conn.fetch(_APPROVALS, settlement_id)),
        tuple(MoveView(**dict(row)) for row in await conn.fetch(_MOVES, settlement_id)),
        None if payment is None else PaymentView(**dict(payment)),
    )


async def settlement_lines(
    conn: Connection, settlement_id: int, *, after: LineKey | None = None, limit: int = 1000
) -> tuple[SettlementLine, ...]:
    """A page of its lines, in the order of their moments; `after` is the key of the last one before it."""
    rows = await conn.fetch(_LINES, settlement_id, *(after or _BEFORE_ALL), limit)
    return tuple(SettlementLine(**dict(row)) for row in rows)
