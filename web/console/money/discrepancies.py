"""Decides what the inbox of discrepancies shows, and what people do: take, note, settle with a reason."""

from __future__ import annotations

from urllib.parse import urlencode

from aiohttp import web

from core.errors import InvalidInput, UnknownDiscrepancy
from core.money.statements.settling import DiscrepancyDesk
from core.money.statements.terms import DiscrepancyKind, Resolution
from core.views.channels import channels
from core.views.statements import (
    DiscrepancyFilter,
    DiscrepancyPage,
    DiscrepancyView,
    State,
    discrepancy_detail,
    discrepancy_page,
)
from web.console.forms import Form, reason_of
from web.console.visit import Shown, Visit
from web.console.words import ENGLISH

_SHOWN = 50
_RESOLVED_SHOWN = 10
_OTHERS = 200
_LARGEST = 2**63 - 1
_STATES: dict[str, State | None] = {"open": "open", "resolved": "resolved", "all": None}
_CHOICES = (Resolution.FEE, Resolution.WRITE_OFF, Resolution.BANK)


async def inbox(visit: Visit) -> Shown:
    """What is open, then what was settled lately; or what the filter says."""
    services, state = visit.services, visit.query("state") or "open"
    if state not in _STATES:
        raise InvalidInput(f"state {state[:40]!r} is none of {', '.join(_STATES)}")
    wanted = DiscrepancyFilter(_STATES[state], visit.query("channel"), _kind(visit), visit.query("owner"))
    before = visit.query("before")
    async with services.pool.acquire() as conn:
        now, start = services.now(), None if before is None else _number(before)
        page = await discrepancy_page(conn, wanted, now, before=start, limit=_SHOWN)
        settled: DiscrepancyPage | None = None
        if state == "open":
            lately = DiscrepancyFilter("resolved", wanted.channel, wanted.kind, wanted.owner)
            settled = await discrepancy_page(conn, lately, now, limit=_RESOLVED_SHOWN)
        names = [each.name for each in await channels(conn, now)]
    chosen = {"state": state, "channel": wanted.channel, "kind": wanted.kind, "owner": wanted.owner}
    return Shown(
        "money_discrepancies.html",
        {
            "page": page,
            "settled": settled,
            "chosen": chosen,
            "query": urlencode({name: value for name, value in chosen.items() if value}),
            "names": names,
            "kinds": list(DiscrepancyKind),
            "states": list(_STATES),
        },
    )


async def discrepancy(visit: Visit) -> Shown:
    """One discrepancy with its steps, and those that may be its other side."""
    number, services = _number(visit.path("discrepancy_id")), visit.services
    async with services.pool.acquire() as conn:
        detail = await discrepancy_detail(conn, number, services.now())
        wanted = DiscrepancyFilter("open", channel=detail.discrepancy.channel)
        others = (await discrepancy_page(conn, wanted, services.now(), limit=_OTHERS)).discrepancies
    values = {"detail": detail, "choices": _CHOICES}
    return Shown("money_discrepancy.html", values | {"others": _other_sides(detail.discrepancy, others)})


async def take(visit: Visit, form: Form) -> Shown:
    """It becomes the business of who pressed the button."""
    number, name = _number(visit.path("discrepancy_id")), visit.session.token.name
    await _desk(visit).assign(number, name, actor=name, reason=ENGLISH["taken_reason"])
    visit.session.notice = ENGLISH["taken_done"] % number
    raise _back(number)


async def note(visit: Visit, form: Form) -> Shown:
    """What somebody found out, for whoever looks next."""
    number = _number(visit.path("discrepancy_id"))
    await _desk(visit).note(number, actor=visit.session.token.name, reason=reason_of(form))
    visit.session.notice = ENGLISH["noted_done"] % number
    raise _back(number)


async def resolve(visit: Visit, form: Form) -> Shown:
    """Its money goes where somebody said, by an entry, or against its other side."""
    number, chosen = _number(visit.path("discrepancy_id")), form.get("resolution", "")
    desk, actor, reason = _desk(visit), visit.session.token.name, reason_of(form)
    kind, _, other = chosen.partition(":")
    if kind == Resolution.PAIR:
        size = await desk.pair(number, _number(other), actor=actor, reason=reason)
    elif kind in _CHOICES:
        size = await desk.resolve(number, Resolution(kind), actor=actor, reason=reason)
    else:
        raise InvalidInput(f"resolution {chosen[:40]!r}: choose where the money goes")
    visit.session.notice = ENGLISH["resolved_done"] % (number, size)
    raise _back(number)


def _other_sides(one: DiscrepancyView, others: tuple[DiscrepancyView, ...]) -> list[DiscrepancyView]:
    return [
        other
        for other in others
        if other.currency == one.currency and (other.left_minor > 0) != (one.left_minor > 0)
    ]


def _desk(visit: Visit) -> DiscrepancyDesk:
    return DiscrepancyDesk(visit.services.pool, visit.services.now)


def _kind(visit: Visit) -> str | None:
    kind = visit.query("kind")
    if kind is not None and kind not in set(DiscrepancyKind):
        raise InvalidInput(f"kind {kind[:40]!r} is none of {', '.join(DiscrepancyKind)}")
    return kind


def _back(number: int) -> web.HTTPSeeOther:
    return web.HTTPSeeOther(f"/console/money/discrepancies/{number}")


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > _LARGEST:
        raise UnknownDiscrepancy(f"discrepancy {text[:40]!r}: they have numbers; the inbox shows them")
    return int(text)
