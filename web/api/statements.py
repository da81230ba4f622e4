"""Lets finance look at channels' statements and settle what differs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from core.money.statements.settling import DiscrepancyDesk
from core.money.statements.terms import DiscrepancyKind, Resolution
from core.views.channel_figures import ChannelFigures, channel_figures
from core.views.statements import (
    DiscrepancyDetail,
    DiscrepancyFilter,
    DiscrepancyPage,
    StatementPage,
    StatementView,
    discrepancy_detail,
    discrepancy_page,
    statement_page,
    statements,
)
from web.access import Right
from web.api.problems import Problem
from web.api.route import Call, Route, Shape
from web.api.shapes import Done, Limit, ReasonBody, Words

_LARGEST_ID = 2**63 - 1
_LARGEST_STATEMENT = 2**31 - 1
Before = Annotated[int | None, Field(ge=1, le=_LARGEST_ID, description="`next_before` of the page before")]


class StatementQuery(Shape):
    """Which statements to list."""

    channel: str | None = None
    before: Annotated[int | None, Field(ge=1, le=_LARGEST_STATEMENT, description="the last id you have")] = (
        None
    )
    limit: Limit = 50


class LineQuery(Shape):
    """Which of a statement's lines: those after `next_at` and `next_ref` of the page before."""

    after_at: datetime | None = None
    after_ref: str | None = None
    limit: Limit = 50


class DiscrepancyQuery(Shape):
    """Which discrepancies to list."""

    state: Literal["open", "resolved", "all"] = "open"
    channel: str | None = None
    kind: DiscrepancyKind | None = None
    owner: str | None = None
    before: Before = None
    limit: Limit = 50


class AssignBody(Shape):
    """Whose business it is, and why."""

    owner: Words
    reason: Words


class ResolveBody(Shape):
    """Where the money goes, and why; a pair names its other side."""

    resolution: Literal[Resolution.FEE, Resolution.WRITE_OFF, Resolution.BANK, Resolution.PAIR]
    pair_id: Annotated[int | None, Field(ge=1, le=_LARGEST_ID)] = None
    reason: Words


class FiguresQuery(Shape):
    """Over how many days."""

    days: Annotated[int, Field(ge=1, le=3650)] = 30


@dataclass(frozen=True, slots=True)
class StatementList:
    """Statements, newest first."""

    statements: tuple[StatementView, ...]


@dataclass(frozen=True, slots=True)
class FigureList:
    """Channels side by side."""

    channels: tuple[ChannelFigures, ...]


async def list_statements(call: Call) -> StatementList:
    """A page of statements."""
    query = call.query(StatementQuery)
    async with call.services.pool.acquire() as conn:
        return StatementList(await statements(conn, query.channel, before=query.before, limit=query.limit))


async def show_statement(call: Call) -> StatementPage:
    """A statement with its lines."""
    query = call.query(LineQuery)
    if (query.after_at is None) != (query.after_ref is None):
        raise Problem(422, "Not understood", "after_at and after_ref belong together: send both, or neither")
    after = (query.after_at, query.after_ref) if query.after_at and query.after_ref is not None else None
    async with call.services.pool.acquire() as conn:
        return await statement_page(
            conn, _id(call, "statement_id", _LARGEST_STATEMENT), after=after, limit=query.limit
        )


async def list_discrepancies(call: Call) -> DiscrepancyPage:
    """The inbox."""
    query = call.query(DiscrepancyQuery)
    wanted = DiscrepancyFilter(
        None if query.state == "all" else query.state, query.channel, query.kind, query.owner
    )
    async with call.services.pool.acquire() as conn:
        return await discrepancy_page(
            conn, wanted, call.services.now(), before=query.before, limit=query.limit
        )


async def show_discrepancy(call: Call) -> DiscrepancyDetail:
    """One discrepancy and its steps."""
    async with call.services.pool.acquire() as conn:
        return await discrepancy_detail(conn, _id(call, "discrepancy_id"), call.services.now())


async def assign(call: Call) -> Done:
    """Somebody takes it on."""
    body, number = call.body(AssignBody), _id(call, "discrepancy_id")
    await _desk(call).assign(number, body.owner, actor=call.token.name, reason=body.reason)
    return Done(f"discrepancy {number} is {body.owner}'s")


async def note(call: Call) -> Done:
    """Something is written down about it."""
    body, number = call.body(ReasonBody), _id(call, "discrepancy_id")
    await _desk(call).note(number, actor=call.token.name, reason=body.reason)
    return Done(f"noted on discrepancy {number}")


async def resolve(call: Call) -> Done:
    """It is settled by an entry."""
    body, number, actor = call.body(ResolveBody), _id(call, "discrepancy_id"), call.token.name
    if (body.resolution is Resolution.PAIR) != (body.pair_id is not None):
        raise Problem(422, "Not understood", "a pair names its other side in pair_id, and nothing else does")
    if body.pair_id is not None:
        size = await _desk(call).pair(number, body.pair_id, actor=actor, reason=body.reason)
    else:
        size = await _desk(call).resolve(number, body.resolution, actor=actor, reason=body.reason)
    return Done(f"discrepancy {number}: {size} settled as {body.resolution}")


async def show_figures(call: Call) -> FigureList:
    """Costs, turnover and complaints of every channel."""
    days = call.query(FiguresQuery).days
    async with call.services.pool.acquire() as conn:
        return FigureList(await channel_figures(conn, call.services.now(), days))


def _desk(call: Call) -> DiscrepancyDesk:
    return DiscrepancyDesk(call.services.pool, call.services.now)


def _id(call: Call, name: str, largest: int = _LARGEST_ID) -> int:
    text = call.path(name)
    if not text.isascii() or not text.isdigit() or int(text) > largest:
        raise Problem(404, "Not known", "these ids are numbers; the list without an id shows them")
    return int(text)


ROUTES = (
    Route(
        "GET",
        "/statements",
        Right.MONEY,
        "List channels' statements, newest first",
        StatementList,
        list_statements,
        query=StatementQuery,
    ),
    Route(
        "GET",
        "/statements/{statement_id}",
        Right.MONEY,
        "Show a statement and what of ours its lines are",
        StatementPage,
        show_statement,
        query=LineQuery,
    ),
    Route(
        "GET",
        "/discrepancies",
        Right.MONEY,
        "List what channels tell otherwise than we do",
        DiscrepancyPage,
        list_discrepancies,
        query=DiscrepancyQuery,
    ),
    Route(
        "GET",
        "/discrepancies/{discrepancy_id}",
        Right.MONEY,
        "Show one discrepancy and its steps",
        DiscrepancyDetail,
        show_discrepancy,
    ),
    Route(
        "POST",
        "/discrepancies/{discrepancy_id}/assign",
        Right.MONEY,
        "Say whose business a discrepancy is",
        Done,
        assign,
        body=AssignBody,
    ),
    Route(
        "POST",
        "/discrepancies/{discrepancy_id}/note",
        Right.MONEY,
        "Write down what was found out about a discrepancy",
        Done,
        note,
        body=ReasonBody,
    ),
    Route(
        "POST",
        "/discrepancies/{discrepancy_id}/resolve",
        Right.MONEY,
        "Settle a discrepancy by an entry",
        Done,
        resolve,
        body=ResolveBody,
    ),
    Route(
        "GET",
        "/figures/channels",
        Right.MONEY,
        "Costs, turnover and complaints of channels side by side",
        FigureList,
        show_figures,
        query=FiguresQuery,
    ),
)
