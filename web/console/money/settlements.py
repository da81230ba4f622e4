"""Decides what pages on settlements show, and what finance does there: draw up, approve, pay, withdraw."""

from __future__ import annotations

from datetime import datetime

from aiohttp import web

from core.errors import InvalidInput, UnknownSettlement
from core.money.money import Money
from core.money.settlement.drawing import SettlementRuns
from core.money.settlement.paper.writing import MEDIA_TYPES, statement_parts
from core.money.settlement.paper.writing import Form as FileForm
from core.money.settlement.reading import (
    LineKey,
    SettlementLine,
    find_settlement,
    settlement_detail,
    settlement_lines,
    settlements,
)
from core.money.settlement.states import Payment, SettlementDesk, State
from core.money.settlement.terms import Payee
from core.views.settlements import payees
from web.api.route import Download
from web.console.forms import Form, moment_of, reason_of
from web.console.visit import Shown, Visit
from web.console.words import ENGLISH

_SHOWN = 50
_LINES = 60
_KEY_PARTS = 3
_LARGEST, _LARGEST_ENTRY = 2**63 - 1, 2**15 - 1


async def settlement_list(visit: Visit) -> Shown:
    """What everybody is owed, and what was drawn up, the newest first."""
    services, state, payee = visit.services, visit.query("state"), visit.query("payee")
    if state is not None and state not in set(State):
        raise InvalidInput(f"state {state[:40]!r} is none of {', '.join(State)}")
    wanted = None if payee is None else Payee.parse(payee)
    before = visit.query("before")
    async with services.pool.acquire() as conn:
        found = await settlements(
            conn,
            party=None if wanted is None else wanted.party,
            party_name=None if wanted is None else wanted.name,
            state=state,
            before=None if before is None else _number(before),
            limit=_SHOWN,
        )
        owed = await payees(conn)
    older = found[-1].settlement_id if len(found) == _SHOWN else None
    return Shown(
        "money_settlements.html",
        {
            "settlements": found,
            "owed": owed,
            "states": list(State),
            "state": state,
            "payee": payee,
            "older": older,
        },
    )


async def settlement(visit: Visit) -> Shown:
    """One settlement: how it comes about, line by line, and who agreed."""
    number, after = _number(visit.path("settlement_id")), _after(visit.query("after"))
    async with visit.services.pool.acquire() as conn:
        detail = await settlement_detail(conn, number)
        lines = await settlement_lines(conn, number, after=after, limit=_LINES + 1)
    shown = lines[:_LINES]
    return Shown(
        "money_settlement.html",
        {
            "detail": detail,
            "lines": shown,
            "forms": list(FileForm),
            "paged": after is not None,
            "next": _key(shown[-1]) if len(lines) > _LINES else None,
        },
    )


async def statement(visit: Visit) -> Download:
    """The statement for its payee, in the form that is asked for."""
    number, form = _number(visit.path("settlement_id")), visit.query("format") or FileForm.HTML
    if form not in set(FileForm):
        raise InvalidInput(f"format {form[:40]!r} is none of {', '.join(FileForm)}")
    chosen = FileForm(form)
    parts = statement_parts(visit.services.pool, number, chosen)
    return Download(f"settlement-{number}.{chosen}", MEDIA_TYPES[chosen], parts)


async def draw(visit: Visit, form: Form) -> Shown:
    """What a payee is owed until now goes into a settlement."""
    services, payee = visit.services, Payee.parse(form.get("payee", ""))
    runs = SettlementRuns(services.pool, services.settlement, services.now)
    drawn = await runs.run([payee], services.now(), actor=visit.session.token.name)
    made = [each.settlement_id for each in drawn if each.settlement_id is not None]
    visit.session.notice = ENGLISH["drawn_done" if made else "drawn_nothing"] % payee
    raise _back(made[0]) if len(made) == 1 else web.HTTPSeeOther("/console/money/settlements")


async def approve(visit: Visit, form: Form) -> Shown:
    """Somebody agrees; never who drew it up, and nobody twice."""
    number = _number(visit.path("settlement_id"))
    state = await _desk(visit).approve(number, actor=visit.session.token.name, reason=reason_of(form))
    done = "settlement_approved_done" if state is State.APPROVED else "settlement_agreed_done"
    visit.session.notice = ENGLISH[done] % number
    raise _back(number)


async def withdraw(visit: Visit, form: Form) -> Shown:
    """It is taken back; its entries are for the next one."""
    number = _number(visit.path("settlement_id"))
    await _desk(visit).withdraw(number, actor=visit.session.token.name, reason=reason_of(form))
    visit.session.notice = ENGLISH["settlement_withdrawn_done"] % number
    raise _back(number)


async def pay(visit: Visit, form: Form) -> Shown:
    """It was paid: when, under which reference, and what left the bank where that is another amount."""
    number, written = _number(visit.path("settlement_id")), form.get("amount", "").strip()
    async with visit.services.pool.acquire() as conn:
        found = await find_settlement(conn, number)
    amount = Money.parse(written, found.paid_in or found.currency) if written else None
    payment = Payment(moment_of(form.get("paid_on", "")), form.get("payment_ref", ""), amount)
    left = await _desk(visit).pay(number, payment, actor=visit.session.token.name)
    visit.session.notice = ENGLISH["settlement_paid_done"] % (number, left)
    raise _back(number)


def _desk(visit: Visit) -> SettlementDesk:
    services = visit.services
    return SettlementDesk(services.pool, services.settlement, services.now)


def _key(line: SettlementLine) -> str:
    """A line's place among the lines, as it stands in an address."""
    return f"{line.posted_at.isoformat()}_{line.transaction_id}_{line.entry_no}"


def _after(text: str | None) -> LineKey | None:
    if text is None:
        return None
    at, *numbers = text.split("_")
    wrong = InvalidInput(f"after {text[:60]!r} is no line's place; go back to the settlement's first page")
    if len(numbers) != _KEY_PARTS - 1 or not all(each.isascii() and each.isdigit() for each in numbers):
        raise wrong
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        raise wrong from None
    if moment.tzinfo is None or int(numbers[0]) > _LARGEST or int(numbers[1]) > _LARGEST_ENTRY:
        raise wrong
    return moment, int(numbers[0]), int(numbers[1])


def _back(number: int) -> web.HTTPSeeOther:
    return web.HTTPSeeOther(f"/console/money/settlements/{number}")


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > _LARGEST:
        raise UnknownSettlement(f"settlement {text[:40]!r}: they have numbers; Settlements lists them")
    return int(text)
