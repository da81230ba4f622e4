"""Decides what people can do from the console about prices: held ones, signatures below the floor, rates."""

from __future__ import annotations

from aiohttp import web

from core.errors import InvalidInput
from core.money.rates import NewRate, parse_rate
from core.types import ListingId
from core.views.prices import priced_listing
from web.api.prices import decide_held, listing_id_of, number_of, revoke_signed, sign_below
from web.api.rates import tell
from web.console.forms import Form, moment_of, reason_of
from web.console.visit import Shown, Visit
from web.console.words import ENGLISH

_VERDICTS = {"approve": True, "refuse": False}


async def decide(visit: Visit, form: Form) -> Shown:
    """A held price, let out or not."""
    hold_id, decision = number_of(visit.path("hold_id"), "hold"), form.get("decision", "")
    if decision not in _VERDICTS:
        raise InvalidInput(f"decision {decision[:40]!r}: write approve or refuse")
    actor, approves = visit.session.token.name, _VERDICTS[decision]
    await decide_held(visit.services, hold_id, approves, actor, reason_of(form))
    visit.session.notice = ENGLISH["price_approved" if approves else "price_refused"] % hold_id
    raise _back(form)


async def sign(visit: Visit, form: Form) -> Shown:
    """A signature below the floor."""
    services, listing_id = visit.services, listing_id_of(visit.path("listing_id"))
    async with services.pool.acquire() as conn:
        listing = await priced_listing(conn, listing_id)
    await sign_below(
        services,
        listing.channel,
        listing.listing_ref,
        form.get("least", "").strip(),
        None,
        moment_of(form.get("until", "")),
        actor=visit.session.token.name,
        reason=reason_of(form),
    )
    visit.session.notice = ENGLISH["signed_done"] % listing.listing_ref
    raise _to_ladder(listing_id)


async def revoke(visit: Visit, form: Form) -> Shown:
    """A signature, taken back."""
    exception_id = number_of(visit.path("exception_id"), "exception")
    await revoke_signed(visit.services, exception_id, visit.session.token.name, reason_of(form))
    visit.session.notice = ENGLISH["revoked_done"] % exception_id
    raise _back(form)


async def tell_rate(visit: Visit, form: Form) -> Shown:
    """A rate, by hand."""
    services = visit.services
    base, quote = (form.get(name, "").strip().upper() for name in ("base", "quote"))
    written = form.get("rate", "")
    told = NewRate(base, quote, parse_rate(written), services.now())
    await tell(services, told, visit.session.token.name, reason_of(form))
    visit.session.notice = ENGLISH["rate_done"] % (base, written.strip(), quote)
    raise web.HTTPSeeOther("/console/rates")


def _back(form: Form) -> web.HTTPSeeOther:
    """To the listing from whose page it was done, else to all prices."""
    text = form.get("listing_id", "")
    return _to_ladder(listing_id_of(text)) if text else web.HTTPSeeOther("/console/prices")


def _to_ladder(listing_id: ListingId) -> web.HTTPSeeOther:
    return web.HTTPSeeOther(f"/console/prices/{listing_id}")
