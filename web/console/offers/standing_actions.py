"""Decides what people can do from the console: stop and let go, decide drift, open what the guard closed."""

from __future__ import annotations

from aiohttp import web

from core.errors import InvalidInput
from core.offers.closures.switches import release, stop
from core.offers.drift.reconciling import Reconciliation
from web.api.prices import number_of
from web.api.problems import Problem
from web.api.standing import read_switch
from web.console.forms import Form, reason_of
from web.console.visit import Shown, Visit
from web.console.words import ENGLISH

_CHANNELS = "/console/channels"


async def turn(visit: Visit, form: Form) -> Shown:
    """A switch turned, once it was confirmed."""
    switch, stopping = read_switch(form.get("scope", ""), form.get("name", "")), form.get("turn") == "stop"
    if form.get("confirm") != "yes":
        raise Problem(422, "Not confirmed", "tick the box that says what will happen")
    services, reason = visit.services, reason_of(form)
    turning = stop if stopping else release
    async with services.pool.acquire() as conn, conn.transaction():
        await turning(conn, switch, actor=visit.session.token.name, reason=reason, at=services.now())
    services.wake_all()
    visit.session.notice = ENGLISH["stopped_done" if stopping else "released_done"] % switch
    raise web.HTTPSeeOther("/console/switches")


async def decide_drift(visit: Visit, form: Form) -> Shown:
    """A question about a difference, decided."""
    drift_id, decision = number_of(visit.path("drift_id"), "drift"), form.get("decision", "")
    if decision not in ("repair", "adopt", "dismiss"):
        raise InvalidInput(f"decision {decision[:40]!r}: write repair, adopt or dismiss")
    services = visit.services
    compared = Reconciliation(services.pool, services.now)
    await compared.decide(drift_id, decision, actor=visit.session.token.name, reason=reason_of(form))
    services.wake_all()
    visit.session.notice = ENGLISH["drift_done"] % (drift_id, decision)
    raise web.HTTPSeeOther(f"{_CHANNELS}#drift")


async def clear_drift(visit: Visit, form: Form) -> Shown:
    """What was kept as it was found, dropped."""
    services, listing_ref = visit.services, form.get("listing_ref", "")
    compared = Reconciliation(services.pool, services.now)
    await compared.clear(
        form.get("channel", ""), listing_ref, actor=visit.session.token.name, reason=reason_of(form)
    )
    services.wake_all()
    visit.session.notice = ENGLISH["cleared_done"] % listing_ref
    raise web.HTTPSeeOther(f"{_CHANNELS}#drift")


async def open_guard(visit: Visit, form: Form) -> Shown:
    """What the guard closed, opened: the cause is mended."""
    services, channel = visit.services, form.get("channel", "")
    listing_ref = form.get("listing_ref") or None
    count = await services.guard.reopen(
        channel, listing_ref, actor=visit.session.token.name, reason=reason_of(form)
    )
    services.wake_all()
    visit.session.notice = ENGLISH["opened_done"] % (count, channel)
    raise web.HTTPSeeOther(f"{_CHANNELS}#{channel}")
