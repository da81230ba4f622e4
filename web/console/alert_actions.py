"""Decides what people can do from the console about alerts: say that they have seen one, and send again."""

from __future__ import annotations

from aiohttp import web

from core.alerts.incidents import acknowledge
from core.alerts.notices import revive
from web.api.prices import number_of
from web.console.forms import Form, reason_of
from web.console.visit import Shown, Visit
from web.console.words import ENGLISH


async def acknowledge_one(visit: Visit, form: Form) -> Shown:
    """Somebody has seen an alert."""
    services, incident_id = visit.services, number_of(visit.path("incident_id"), "alert")
    async with services.pool.acquire() as conn, conn.transaction():
        await acknowledge(
            conn,
            incident_id,
            actor=visit.session.token.name,
            reason=reason_of(form),
            now=services.now(),
        )
    visit.session.notice = ENGLISH["acknowledged_done"] % incident_id
    raise web.HTTPSeeOther("/console/alerts")


async def retry(visit: Visit, form: Form) -> Shown:
    """One message that was given up, or all of them, tried again."""
    services, one = visit.services, form.get("message_id", "")
    wanted = [number_of(one, "message")] if one else None
    async with services.pool.acquire() as conn, conn.transaction():
        revived = await revive(
            conn, wanted, actor=visit.session.token.name, reason=reason_of(form), now=services.now()
        )
    visit.session.notice = ENGLISH["retried_done"] % len(revived)
    raise web.HTTPSeeOther("/console/alerts/messages")
