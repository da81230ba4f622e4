"""Decides what a payee is told of a settlement, and holds it against the ledger before anybody sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum

from core.db.pool import Connection, Pool
from core.db.queries import load_queries
from core.errors import SettlementFixed
from core.money.settlement.fates import LASTING, BatchFates, CodeFate, Tally, code_fates
from core.money.settlement.reading import (
    KindSum,
    SettlementDetail,
    SettlementLine,
    settlement_detail,
    settlement_lines,
)
from core.money.settlement.states import State

_LEDGER_SUM = load_queries("core.money.settlement", "statement.sql")["ledger_sum"]
_PAGE = 1000
_SHOWN_OF_REF = 4


class Part(StrEnum):
    """What a movement of the balance is."""

    OPENING = "opening"
    PAID = "paid"  # since the settlement before was drawn up
    FREED = "freed"  # lines of settlements that were withdrawn since: they come again below
    SALES = "sales"
    FEES = "fees"
    REFUNDS = "refunds"
    CORRECTIONS = "corrections"
    RELEASED = "released"  # from the reserve
    OTHER = "other"
    CLOSING = "closing"


# By the kind of transaction; a charge of those that are sales is a fee.
_PARTS = {
    "sale": Part.SALES,
    "release": Part.SALES,
    "redemption": Part.SALES,
    "refund": Part.REFUNDS,
    "correction": Part.CORRECTIONS,
    "discrepancy": Part.CORRECTIONS,
    "settlement": Part.RELEASED,
}
_ALWAYS = frozenset({Part.OPENING, Part.SALES, Part.FEES, Part.REFUNDS, Part.CORRECTIONS, Part.CLOSING})


@dataclass(frozen=True, slots=True)
class Movement:
    """A step from the opening to the closing balance, or one of the two."""

    part: Part
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Statement:
    """A settlement as its payee is told of it, without its single lines and codes."""

    detail: SettlementDetail
    movements: tuple[Movement, ...]
    batches: tuple[BatchFates, ...]
    codes: int

    @property
    def after_payment_minor(self) -> int:
        """What is still owed of all settlements up to this one: once it is paid, less by its lines."""
        shown = self.detail.settlement
        return shown.closing_minor - (shown.lines_minor if self.detail.payment is not None else 0)


class StatementReader:
    """A statement as of one moment of the database: its sums; lines and codes as they are asked for."""

    def __init__(self, conn: Connection, statement: Statement) -> None:
        self._conn = conn
        self.statement = statement

    async def lines(self) -> AsyncIterator[tuple[SettlementLine, ...]]:
        """All lines, a page at a time."""
        settlement_id, after = self.statement.detail.settlement.settlement_id, None
        while page := await settlement_lines(self._conn, settlement_id, after=after, limit=_PAGE):
            yield page
            after = page[-1].key

    async def codes(self) -> AsyncIterator[CodeFate]:
        """The codes whose fate was not told by an earlier statement."""
        shown = self.statement.detail.settlement
        if shown.party == "consignor":
            async for code in code_fates(self._conn, shown.party_name, shown.until):
                if _new(code, self.statement.detail):
                    yield code


@asynccontextmanager
async def open_statement(pool: Pool, settlement_id: int) -> AsyncIterator[StatementReader]:
    """Read a statement; UnknownSettlement, or SettlementFixed for one that was withdrawn: it has no lines."""
    async with pool.acquire() as conn, conn.transaction(isolation="repeatable_read"):
        detail = await settlement_detail(conn, settlement_id)
        if detail.settlement.state == State.WITHDRAWN:
            raise SettlementFixed(
                f"settlement {settlement_id} was withdrawn, and its entries went into the next one: "
                "make the statement of that"
            )
        movements = _movements(detail)
        await _tie(conn, detail, movements)
        tally, codes = Tally(), 0
        shown = detail.settlement
        if shown.party == "consignor":
            async for code in code_fates(conn, shown.party_name, shown.until):
                tally.add(code)
                codes += _new(code, detail)
        yield StatementReader(conn, Statement(detail, movements, tally.batches(), codes))


def masked(ref: str | None) -> str:
    """The end of an order's reference: enough to find it by, too little to ask the marketplace with."""
    if not ref:
        return ""
    return "…" + ref[-min(_SHOWN_OF_REF, max(len(ref) // 2, 1)) :]


def _new(code: CodeFate, detail: SettlementDetail) -> bool:
    since = detail.settlement.since
    return since is None or code.fate not in LASTING or (code.fated_at is not None and code.fated_at >= since)


def _movements(detail: SettlementDetail) -> tuple[Movement, ...]:
    shown, sums = detail.settlement, dict.fromkeys(Part, 0)
    sums[Part.OPENING], sums[Part.CLOSING] = shown.opening_minor, shown.closing_minor
    sums[Part.PAID], sums[Part.FREED] = shown.paid_since_minor, shown.freed_since_minor
    for each in detail.sums:
        for part, amount_minor in _split(each):
            sums[part] += amount_minor
    return tuple(Movement(part, sums[part]) for part in Part if sums[part] or part in _ALWAYS)


def _split(each: KindSum) -> list[tuple[Part, int]]:
    part = _PARTS.get(each.kind, Part.OTHER)
    charged = Part.FEES if part in (Part.SALES, Part.OTHER) else part
    return [(part, each.credited_minor), (charged, each.charged_minor)]


async def _tie(conn: Connection, detail: SettlementDetail, movements: tuple[Movement, ...]) -> None:
    """What is told must be what stands in the ledger; anything else is our mistake and is told to nobody."""
    shown = detail.settlement
    steps = sum(each.amount_minor for each in movements if each.part is not Part.CLOSING)
    assert steps == shown.closing_minor, (
        f"settlement {shown.settlement_id}: steps do not lead to the closing balance"
    )
    row = await conn.fetchrow(_LEDGER_SUM, shown.settlement_id)
    assert row is not None, "an aggregate has a row"
    assert (row["lines_minor"], row["entries"]) == (shown.lines_minor, shown.entries), (
        f"settlement {shown.settlement_id}: its lines are not what the ledger has"
    )
    settled = -shown.lines_minor if detail.payment is not None else 0
    assert row["paid_minor"] == settled, (
        f"settlement {shown.settlement_id}: its payment is not what it settles"
    )
