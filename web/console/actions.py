"""Decides what people can do from the console: with channels, with codes, and with orders that wait."""

from __future__ import annotations

from aiohttp import web

from core.codes.custody import trace
from core.orders.replacement import Replacements
from core.types import OrderId
from web.api.channels import set_paused
from web.api.orders import decisions_of
from web.api.problems import Problem
from web.api.route import read_place
from web.console.forms import Form, reason_of
from web.console.visit import Shown, Visit
from web.console.words import ENGLISH


async def pause(visit: Visit, form: Form) -> Shown:
    """A channel off sale."""
    name = visit.path("name")
    await set_paused(visit.services, name, visit.services.now(), visit.session.token.name, reason_of(form))
    visit.session.notice = ENGLISH["paused_done"] % name
    raise web.HTTPSeeOther("/console/channels")


async def resume(visit: Visit, form: Form) -> Shown:
    """A channel on sale again."""
    name = visit.path("name")
    await set_paused(visit.services, name, None, visit.session.token.name, reason_of(form))
    visit.session.notice = ENGLISH["resumed_done"] % name
    raise web.HTTPSeeOther("/console/channels")


async def sync(visit: Visit, form: Form) -> Shown:
    """A channel read and compared now."""
    name = visit.path("name")
    await visit.services.sync_now(name)
    visit.session.notice = ENGLISH["synced_done"] % name
    raise web.HTTPSeeOther("/console/channels")


async def reveal(visit: Visit, form: Form) -> Shown:
    """A code in clear, on this one answer, once the row that says so is committed."""
    place, token = read_place(visit.path("place")), visit.session.token
    async with visit.services.pool.acquire() as conn:
        async with conn.transaction():
            payload = await visit.services.opener.reveal(
                conn, place, actor=token.name, role=token.role.value, reason=reason_of(form)
            )
        story = await trace(conn, place)
    values = {"place": str(place), "story": story, "payload": payload}
    # This answer is given once: the page of the code tells what is new.
    return Shown("code.html", values, address=f"/console/codes/{place}")


async def replace(visit: Visit, form: Form) -> Shown:
    """Another code for an invalid one."""
    order_id, bad = _order_id(visit), read_place(form.get("place", ""))
    services = visit.services
    replacements = Replacements(services.pool, services.allocator, services.now)
    new = await replacements.replace(order_id, bad, actor=visit.session.token.name, reason=reason_of(form))
    services.wake_all()
    visit.session.notice = ENGLISH["replaced_done"] % (bad, new)
    raise web.HTTPSeeOther(f"/console/orders/{order_id}")


async def approve(visit: Visit, form: Form) -> Shown:
    """A held order, let through."""
    order_id, services = _order_id(visit), visit.services
    order = await decisions_of(services).approve(
        order_id, actor=visit.session.token.name, reason=reason_of(form)
    )
    services.wake(order.channel_id)
    visit.session.notice = ENGLISH["approved_done"] % order.order_ref
    raise web.HTTPSeeOther(f"/console/orders/{order_id}")


async def cancel(visit: Visit, form: Form) -> Shown:
    """An order that waits, ended."""
    order_id, services = _order_id(visit), visit.services
    ended = await decisions_of(services).cancel(
        order_id, actor=visit.session.token.name, reason=reason_of(form)
    )
    services.wake_all()
    visit.session.notice = f"{ended.told}."
    raise web.HTTPSeeOther(f"/console/orders/{order_id}")


def _order_id(visit: Visit) -> OrderId:
    text = visit.path("order_id")
    if not text.isascii() or not text.isdigit() or int(text) >= 2**63:
        raise Problem(404, "Not known", "order ids are numbers; look for it under Orders")
    return OrderId(int(text))
