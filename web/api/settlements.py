"""Lets finance draw settlements up, approve, pay and withdraw them, and hand statements to payees."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from core.money.money import Money
from core.money.settlement.drawing import SettlementRuns
from core.money.settlement.paper.writing import MEDIA_TYPES, Form, statement_parts
from core.money.settlement.reading import (
    SettlementDetail,
    SettlementLine,
    SettlementView,
    find_settlement,
    settlement_detail,
    settlement_lines,
    settlements,
)
from core.money.settlement.states import Payment, SettlementDesk
from core.money.settlement.terms import Payee
from core.views.settlements import PayeeView, RunView, payees, runs
from web.access import Right
from web.api.problems import Problem
from web.api.route import Call, Download, Route, Shape, optional_money
from web.api.shapes import Amount, Currency, Done, Limit, Words

_LARGEST_ID = 2**63 - 1
PayeeText = Annotated[str, Field(max_length=300, examples=["consignor/Ada"])]
Before = Annotated[int | None, Field(ge=1, le=_LARGEST_ID, description="the last id you have")]


class SettlementQuery(Shape):
    """Which settlements to list."""

    payee: PayeeText | None = None
    state: Literal["draft", "approved", "paid", "withdrawn"] | None = None
    before: Before = None
    limit: Limit = 50


class RunQuery(Shape):
    """Which runs to list."""

    payee: PayeeText | None = None
    before: Before = None
    limit: Limit = 50


class LineQuery(Shape):
    """Which entries: those after `next_at`, `next_transaction_id` and `next_entry_no` of the page before."""

    after_at: AwareDatetime | None = None
    after_transaction_id: Annotated[int, Field(ge=0, le=_LARGEST_ID)] = 0
    after_entry_no: Annotated[int, Field(ge=0, le=2**15 - 1)] = 0
    limit: Limit = 100


class StatementQuery(Shape):
    """In which form."""

    format: Form = Form.HTML


class RunBody(Shape):
    """Whom to settle, everybody if nobody is named, of before which moment; a dry run changes nothing."""

    payees: Annotated[tuple[PayeeText, ...], Field(max_length=500)] = ()
    until: AwareDatetime | None = None
    dry_run: bool = False


class ReasonBody(Shape):
    """Why."""

    reason: Words


class PayBody(Shape):
    """What was paid. An amount only for another currency, where it is not the day's rate."""

    payment_ref: Words
    paid_on: AwareDatetime | None = None
    amount: Amount | None = None
    currency: Currency | None = None


class CorrectBody(Shape):
    """How much more, or less, is owed than the settlement said, and why."""

    amount: Amount
    currency: Currency
    reason: Words


@dataclass(frozen=True, slots=True)
class SettlementList:
    """Settlements, newest first."""

    settlements: tuple[SettlementView, ...]


@dataclass(frozen=True, slots=True)
class RunList:
    """What runs found, newest first."""

    runs: tuple[RunView, ...]


@dataclass(frozen=True, slots=True)
class PayeeList:
    """What everybody is owed."""

    payees: tuple[PayeeView, ...]


@dataclass(frozen=True, slots=True)
class LineList:
    """Entries of a settlement, and where the next page begins."""

    lines: tuple[SettlementLine, ...]
    next_at: datetime | None
    next_transaction_id: int | None
    next_entry_no: int | None


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What became of what one payee was owed in one currency."""

    payee: str
    until: datetime
    outcome: str
    amount_minor: int
    currency: str
    entries: int
    settlement_id: int | None


@dataclass(frozen=True, slots=True)
class RunAnswer:
    """What a run did, or would do."""

    outcomes: tuple[RunOutcome, ...]


async def list_settlements(call: Call) -> SettlementList:
    """A page of settlements."""
    query = call.query(SettlementQuery)
    party, name = _payee(query.payee)
    async with call.services.pool.acquire() as conn:
        found = await settlements(
            conn, party=party, party_name=name, state=query.state, before=query.before, limit=query.limit
        )
    return SettlementList(found)


async def list_payees(call: Call) -> PayeeList:
    """Who is owed what."""
    async with call.services.pool.acquire() as conn:
        return PayeeList(await payees(conn))


async def list_runs(call: Call) -> RunList:
    """A page of runs."""
    query = call.query(RunQuery)
    party, name = _payee(query.payee)
    async with call.services.pool.acquire() as conn:
        return RunList(await runs(conn, party=party, party_name=name, before=query.before, limit=query.limit))


async def show_settlement(call: Call) -> SettlementDetail:
    """One settlement."""
    async with call.services.pool.acquire() as conn:
        return await settlement_detail(conn, _id(call))


async def list_lines(call: Call) -> LineList:
    """A page of its entries."""
    query, number = call.query(LineQuery), _id(call)
    after = None
    if query.after_at is not None:
        after = (query.after_at, query.after_transaction_id, query.after_entry_no)
    async with call.services.pool.acquire() as conn:
        await find_settlement(conn, number)
        lines = await settlement_lines(conn, number, after=after, limit=query.limit)
    if len(lines) < query.limit:
        return LineList(lines, None, None, None)
    return LineList(lines, *lines[-1].key)


async def run(call: Call) -> RunAnswer:
    """Settlements drawn up."""
    body, services = call.body(RunBody), call.services
    here = SettlementRuns(services.pool, services.settlement, services.now)
    wanted = [Payee.parse(name) for name in body.payees]
    until = body.until or services.now()
    drawn = await here.run(wanted, until, actor=call.token.name, dry_run=body.dry_run)
    return RunAnswer(
        tuple(
            RunOutcome(
                payee=str(each.payee),
                until=each.until,
                outcome=each.outcome.value,
                amount_minor=each.owed.amount_minor,
                currency=each.owed.currency,
                entries=each.entries,
                settlement_id=each.settlement_id,
            )
            for each in drawn
        )
    )


async def approve(call: Call) -> Done:
    """Agreed to."""
    number = _id(call)
    state = await _desk(call).approve(number, actor=call.token.name, reason=call.body(ReasonBody).reason)
    return Done(f"settlement {number} is {state}")


async def pay(call: Call) -> Done:
    """Paid."""
    body, number = call.body(PayBody), _id(call)
    amount = optional_money(body.amount, body.currency, "amount and currency")
    payment = Payment(body.paid_on or call.services.now(), body.payment_ref, amount)
    left = await _desk(call).pay(number, payment, actor=call.token.name)
    return Done(f"settlement {number} is paid: {left}")


async def withdraw(call: Call) -> Done:
    """Taken back."""
    number = _id(call)
    await _desk(call).withdraw(number, actor=call.token.name, reason=call.body(ReasonBody).reason)
    return Done(f"settlement {number} is withdrawn: its entries are open again")


async def correct(call: Call) -> Done:
    """Put right in the next one."""
    body, number = call.body(CorrectBody), _id(call)
    owed = Money.parse(body.amount, body.currency)
    await _desk(call).correct(number, owed, actor=call.token.name, reason=body.reason)
    return Done(f"settlement {number}: {owed} stands open for the next one")


async def statement(call: Call) -> Download:
    """What its payee is told."""
    form, number = call.query(StatementQuery).format, _id(call)
    parts = statement_parts(call.services.pool, number, form)
    return Download(f"settlement-{number}.{form.value}", MEDIA_TYPES[form], parts)


def _desk(call: Call) -> SettlementDesk:
    return SettlementDesk(call.services.pool, call.services.settlement, call.services.now)


def _payee(text: str | None) -> tuple[str | None, str | None]:
    if text is None:
        return None, None
    payee = Payee.parse(text)
    return payee.party, payee.name


def _id(call: Call) -> int:
    text = call.path("settlement_id")
    if not text.isascii() or not text.isdigit() or int(text) > _LARGEST_ID:
        raise Problem(404, "Not known", "settlements are numbered; `GET /api/v1/settlements` lists them")
    return int(text)


_MONEY = Right.MONEY
_ONE = "/settlements/{settlement_id}"
ROUTES = (
    Route(
        "GET",
        "/settlements",
        _MONEY,
        "List settlements, newest first",
        SettlementList,
        list_settlements,
        query=SettlementQuery,
    ),
    Route("GET", "/settlements/payees", _MONEY, "List what payees are owed", PayeeList, list_payees),
    Route("GET", "/settlements/runs", _MONEY, "List what runs found", RunList, list_runs, query=RunQuery),
    Route("POST", "/settlements/run", _MONEY, "Draw settlements up", RunAnswer, run, body=RunBody),
    Route("GET", _ONE, _MONEY, "Show a settlement", SettlementDetail, show_settlement),
    Route("GET", f"{_ONE}/lines", _MONEY, "List its entries", LineList, list_lines, query=LineQuery),
    Route(
        "GET",
        f"{_ONE}/statement",
        _MONEY,
        "Fetch its statement, as HTML, PDF, CSV or Excel",
        Download,
        statement,
        query=StatementQuery,
        downloads=tuple(MEDIA_TYPES.values()),
    ),
    Route("POST", f"{_ONE}/approve", _MONEY, "Agree to a settlement", Done, approve, body=ReasonBody),
    Route("POST", f"{_ONE}/pay", _MONEY, "Write down that it was paid", Done, pay, body=PayBody),
    Route("POST", f"{_ONE}/withdraw", _MONEY, "Take it back unpaid", Done, withdraw, body=ReasonBody),
    Route("POST", f"{_ONE}/correct", _MONEY, "Put it right in the next one", Done, correct, body=CorrectBody),
)
