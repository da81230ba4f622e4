"""Lets callers see the journal's chain, trial balances and closed months, and close a month."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from pydantic import Field

from core.db.pool import Pool
from core.money.journal.chart import Chart
from core.money.journal.export import Form, export
from core.money.journal.periods import Period, close_period, reopen_period
from core.money.journal.trial import TrialBalance, trial_balance
from core.views.journal import ChainState, Periods, chain_state, periods
from web.access import Right
from web.api.route import Call, Download, Route, Shape
from web.api.shapes import Done, Words

Month = Annotated[str, Field(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$", examples=["2026-10"])]

_MEDIA_TYPES = {Form.CSV: "text/csv; charset=utf-8", Form.BEANCOUNT: "text/plain; charset=utf-8"}
_LINES_AT_ONCE = 1000


class MonthQuery(Shape):
    """Which month."""

    period: Month


class ExportQuery(Shape):
    """Which month, in which form."""

    period: Month
    format: Form = Form.CSV


class MonthBody(Shape):
    """Which month, and why."""

    period: Month
    reason: Words


async def show_head(call: Call) -> ChainState:
    """How far the chain reaches."""
    async with call.services.pool.acquire() as conn:
        return await chain_state(conn)


async def list_periods(call: Call) -> Periods:
    """What is closed."""
    async with call.services.pool.acquire() as conn:
        return await periods(conn)


async def show_trial_balance(call: Call) -> TrialBalance:
    """A month's trial balance."""
    period = Period.parse(call.query(MonthQuery).period)
    async with call.services.pool.acquire() as conn:
        return await trial_balance(conn, period)


async def close(call: Call) -> Done:
    """A month closed."""
    body, services = call.body(MonthBody), call.services
    period = Period.parse(body.period)
    async with services.pool.acquire() as conn, conn.transaction():
        await close_period(conn, period, actor=call.token.name, reason=body.reason, now=services.now())
    return Done(f"{period} is closed: nothing can be posted there or before it")


async def reopen(call: Call) -> Done:
    """A month opened again."""
    body, services = call.body(MonthBody), call.services
    period = Period.parse(body.period)
    async with services.pool.acquire() as conn, conn.transaction():
        await reopen_period(conn, period, actor=call.token.name, reason=body.reason, now=services.now())
    return Done(f"{period} is open again, and so are the months after it")


async def export_month(call: Call) -> Download:
    """A month for accountants."""
    query = call.query(ExportQuery)
    period, form = Period.parse(query.period), query.format
    return Download(f"{period}.{form.value}", _MEDIA_TYPES[form], _exported(call.services.pool, period, form))


async def _exported(pool: Pool, period: Period, form: Form) -> AsyncIterator[bytes]:
    async with pool.acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
        lines: list[str] = []
        async for line in export(conn, period, form, Chart()):
            lines.append(line + "\n")
            if len(lines) >= _LINES_AT_ONCE:
                yield "".join(lines).encode()
                lines.clear()
        yield "".join(lines).encode()


_MONEY = Right.MONEY
ROUTES = (
    Route("GET", "/ledger/head", _MONEY, "Show the head of each lane's chain", ChainState, show_head),
    Route("GET", "/ledger/periods", _MONEY, "List closed months and their history", Periods, list_periods),
    Route(
        "GET",
        "/ledger/trial-balance",
        _MONEY,
        "Show a month's trial balance",
        TrialBalance,
        show_trial_balance,
        query=MonthQuery,
    ),
    Route(
        "GET",
        "/ledger/export",
        _MONEY,
        "Hand a month to accountants, as CSV or beancount",
        Download,
        export_month,
        query=ExportQuery,
        downloads=("text/csv", "text/plain"),
    ),
    Route("POST", "/ledger/close", _MONEY, "Close a month and all before it", Done, close, body=MonthBody),
    Route("POST", "/ledger/reopen", Right.REOPEN, "Open a closed month again", Done, reopen, body=MonthBody),
)
