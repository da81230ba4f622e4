"""Decides what the pages on groups and flash sales show, and ends groups and settles refunds from there."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from core.errors import InvalidInput
from core.group_buying.ending import close_group
from core.orders.refunds import owed_refunds, settle_by_hand
from core.types import OrderId
from core.views.flash import FlashListing, FlashPreview, flash_preview, flash_sales
from core.views.groups import group_detail, groups
from web.api.prices import number_of
from web.api.problems import Problem
from web.console.buyers.figures import in_path, sale_cards
from web.console.forms import Form, reason_of
from web.console.visit import Shown, Visit
from web.console.words import ENGLISH

_GROUPS = 200
_LISTINGS = 12
_MOST_LISTINGS = 200


@dataclass(frozen=True, slots=True)
class _Sales:
    """What was read of flash sales."""

    listings: tuple[FlashListing, ...]


async def group_list(visit: Visit) -> Shown:
    """Groups that are open with their seats and time, those that ended, and refunds that a person owes."""
    services, offer = visit.services, visit.query("offer")
    async with services.pool.acquire() as conn:
        found = await groups(conn, services.now(), offer=offer, only_open=False, limit=_GROUPS)
        owed = await owed_refunds(conn)
    offered = {one.name for terms in services.terms().values() for one in terms.group_offers.values()}
    return Shown(
        "groups.html",
        {
            "open": [each for each in found if each.state == "open"],
            "ended": [each for each in found if each.state != "open"],
            "owed": owed,
            "offers": sorted(offered | {each.offer for each in found}),
            "offer": offer,
        },
    )


async def group(visit: Visit) -> Shown:
    """One group with whoever sits there, or did."""
    try:
        async with visit.services.pool.acquire() as conn:
            detail = await group_detail(conn, visit.path("group_ref"), visit.services.now())
    except InvalidInput as error:
        raise Problem(404, "Not known", str(error)) from None
    return Shown("group.html", {"group": detail.group, "members": detail.members})


async def close(visit: Visit, form: Form) -> Shown:
    """A group ended before its time, one way or the other."""
    services, ref, how = visit.services, visit.path("group_ref"), form.get("how", "")
    if how not in ("complete", "refund"):
        raise InvalidInput("say what becomes of its buyers: complete or refund")
    async with services.pool.acquire() as conn, conn.transaction():
        buyers = await close_group(
            conn,
            services.terms(),
            ref,
            complete=how == "complete",
            actor=visit.session.token.name,
            reason=reason_of(form),
            now=services.now(),
        )
    services.wake_all()
    told = ENGLISH["group_completed_done" if how == "complete" else "group_refunded_done"]
    visit.session.notice = told % (ref, buyers)
    raise web.HTTPSeeOther(f"/console/groups/{in_path(ref)}")


async def settle(visit: Visit, form: Form) -> Shown:
    """Money that a person gave back at the channel."""
    services, number = visit.services, number_of(visit.path("order_id"), "order")
    async with services.pool.acquire() as conn, conn.transaction():
        actor, how = visit.session.token.name, reason_of(form)
        await settle_by_hand(conn, OrderId(number), services.now(), actor=actor, how=how)
    visit.session.notice = ENGLISH["refunded_done"] % number
    raise web.HTTPSeeOther("/console/groups")


async def flash_list(visit: Visit) -> Shown:
    """Flash sales with what is sold of each quota."""
    services = visit.services

    async def read() -> _Sales:
        """Explains the price of every listing, so it is remembered for a while."""
        async with services.pool.acquire() as conn:
            return _Sales(await flash_sales(conn, services.terms(), services.now()))

    found = await visit.memory.get("flash", read, _Sales)
    return Shown("flash.html", {"sales": sale_cards(found.listings), "most": _LISTINGS})


async def flash_sale(visit: Visit) -> Shown:
    """One sale: what each listing shows when, beside its floor."""
    services, name = visit.services, visit.path("sale")

    async def read() -> _Previews:
        async with services.pool.acquire() as conn:
            return _Previews(await flash_preview(conn, services.terms(), services.now(), name))

    try:
        found = await visit.memory.get(f"flash {name}", read, _Previews)
    except InvalidInput as error:
        raise Problem(404, "Not known", str(error)) from None
    return Shown("flash_sale.html", {"name": name, "previews": found.previews, "most": _MOST_LISTINGS})


@dataclass(frozen=True, slots=True)
class _Previews:
    """What was read of one sale."""

    previews: tuple[FlashPreview, ...]
