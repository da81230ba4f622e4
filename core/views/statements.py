"""Tells what people see of statements: lines told, what of ours each is, and the inbox of discrepancies."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from core.db.pool import Connection, Record
from core.db.queries import load_queries
from core.errors import UnknownDiscrepancy, UnknownStatement

_SQL = load_queries("core.views", "statements.sql")
_STATEMENTS = _SQL["statements"]
_LINES = _SQL["lines"]
_DISCREPANCIES = _SQL["discrepancies"]
_SUMS = _SQL["discrepancy_sums"]
_EVENTS = _SQL["discrepancy_events"]

State = Literal["open", "resolved"]


@dataclass(frozen=True, slots=True)
class StatementView:
    """A statement, once for each currency in it. `waiting` of its lines are not judged yet; `open_minor` is
    what its open discrepancies still come to, theirs less ours."""

    statement_id: int
    channel: str
    source: str
    name: str
    opened_by: str
    opened_at: datetime
    currency: str | None
    lines: int
    waiting: int
    total_minor: int
    open: int
    open_minor: int
    since: datetime | None
    until: datetime | None


@dataclass(frozen=True, slots=True)
class StatementLine:
    """A line with where its money went. `matched_refs`: the orders of ours that it is for."""

    line_ref: str
    kind: str
    order_ref: str | None
    listing_ref: str | None
    amount_minor: int
    currency: str
    booked_at: datetime
    judged_at: datetime | None
    transaction_id: int | None
    matched_refs: tuple[str, ...]
    matched_minor: int
    booked_minor: int | None
    rounding_minor: int | None
    discrepancy_id: int | None
    discrepancy: str | None
    left_minor: int | None
    state: str | None


@dataclass(frozen=True, slots=True)
class StatementPage:
    """A statement and a page of its lines; `next_at` and `next_ref` are where the next page begins."""

    statements: tuple[StatementView, ...]
    lines: tuple[StatementLine, ...]
    next_at: datetime | None
    next_ref: str | None


@dataclass(frozen=True, slots=True)
class DiscrepancyView:
    """A discrepancy. Differences are theirs less ours; `left_minor` is what is not settled yet."""

    discrepancy_id: int
    channel: str
    kind: str
    order_ref: str | None
    listing_ref: str | None
    line_ref: str | None
    ours_minor: int
    theirs_minor: int
    difference_minor: int
    left_minor: int
    currency: str
    at: datetime
    opened_at: datetime
    age_seconds: float
    owner: str | None
    state: str
    resolution: str | None
    reason: str | None
    resolved_by: str | None
    resolved_at: datetime | None


@dataclass(frozen=True, slots=True)
class DiscrepancySum:
    """What stands open at a channel in a currency."""

    channel: str
    currency: str
    open: int
    left_minor: int
    oldest_at: datetime
    unowned: int


@dataclass(frozen=True, slots=True)
class DiscrepancyEvent:
    """What became of a discrepancy: what it was, and what that took off the difference."""

    what: str
    amount_minor: int
    transaction_id: int | None
    actor: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class DiscrepancyFilter:
    """Which discrepancies; None: any."""

    state: State | None = "open"
    channel: str | None = None
    kind: str | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class DiscrepancyPage:
    """The inbox: what is asked for, newest first, and what stands open altogether."""

    discrepancies: tuple[DiscrepancyView, ...]
    sums: tuple[DiscrepancySum, ...]
    next_before: int | None


@dataclass(frozen=True, slots=True)
class DiscrepancyDetail:
    """A discrepancy with its steps."""

    discrepancy: DiscrepancyView
    events: tuple[DiscrepancyEvent, ...]


async def statements(
    conn: Connection, channel: str | None = None, *, before: int | None = None, limit: int = 100
) -> tuple[StatementView, ...]:
    """Statements, newest first."""
    rows = await conn.fetch(_STATEMENTS, channel, None, before, limit)
    return tuple(StatementView(**dict(row)) for row in rows)


async def statement_page(
    conn: Connection,
    statement_id: int,
    *,
    after: tuple[datetime, str] | None = None,
    limit: int = 100,
) -> StatementPage:
    """A statement with a page of its lines, oldest first."""
    found = tuple(
        StatementView(**dict(row)) for row in await conn.fetch(_STATEMENTS, None, statement_id, None, 100)
    )
    if not found:
        raise UnknownStatement(
            f"statement {statement_id} is not known; `consignd statements list` lists those there are"
        )
    at, ref = after or (None, None)
    rows = await conn.fetch(_LINES, statement_id, at, ref, limit + 1)
    lines = tuple(_line(row) for row in rows[:limit])
    more = len(rows) > limit
    last = lines[-1] if more else None
    return StatementPage(found, lines, last.booked_at if last else None, last.line_ref if last else None)


async def discrepancy_page(
    conn: Connection,
    wanted: DiscrepancyFilter,
    now: datetime,
    *,
    before: int | None = None,
    limit: int = 100,
) -> DiscrepancyPage:
    """The discrepancies' inbox."""
    rows = await conn.fetch(
        _DISCREPANCIES,
        now,
        wanted.state,
        wanted.channel,
        wanted.kind,
        wanted.owner,
        None,
        before,
        limit + 1,
    )
    found = tuple(DiscrepancyView(**dict(row)) for row in rows[:limit])
    sums = tuple(DiscrepancySum(**dict(row)) for row in await conn.fetch(_SUMS))
    return DiscrepancyPage(found, sums, found[-1].discrepancy_id if len(rows) > limit else None)


async def discrepancy_detail(conn: Connection, discrepancy_id: int, now: datetime) -> DiscrepancyDetail:
    """One discrepancy; UnknownDiscrepancy if there is none of that number."""
    row = await conn.fetchrow(_DISCREPANCIES, now, None, None, None, None, discrepancy_id, None, 1)
    if row is None:
        raise UnknownDiscrepancy(
            f"discrepancy {discrepancy_id} is not known; `consignd discrepancies list` lists them"
        )
    events = await conn.fetch(_EVENTS, discrepancy_id)
    return DiscrepancyDetail(
        DiscrepancyView(**dict(row)), tuple(DiscrepancyEvent(**dict(event)) for event in events)
    )


def _line(row: Record) -> StatementLine:
    return StatementLine(**{**dict(row), "matched_refs": tuple(row["matched_refs"])})
