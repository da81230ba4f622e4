"""Decides what the pages on prices and exchange rates show."""

from __future__ import annotations

from core.views.price_ladder import price_ladder
from core.views.prices import exceptions, find_listings, holds
from core.views.rates import shown_rates
from web.api.prices import listing_id_of
from web.api.rates import rate_max_age
from web.console.pictures import price_curve, rival_strip
from web.console.pictures import price_ladder as draw_ladder
from web.console.visit import Shown, Visit

_DECIDED = 20
_FOUND = 60


async def prices(visit: Visit) -> Shown:
    """What waits for a person, who signed below the floor, and listings to look into."""
    services, text = visit.services, visit.query("text")
    async with services.pool.acquire() as conn:
        every = await holds(conn, everything=True)
        values = {
            "waiting": await holds(conn),
            "decided": [each for each in every if each.verdict in ("approved", "refused")][:_DECIDED],
            "exceptions": await exceptions(conn, services.now()),
            "found": await find_listings(conn, text, _FOUND + 1),
        }
    return Shown("prices.html", values | {"text": text or "", "most": _FOUND})


async def ladder(visit: Visit) -> Shown:
    """One listing's price from all sides."""
    services, listing_id = visit.services, listing_id_of(visit.path("listing_id"))
    now = services.now()
    async with services.pool.acquire() as conn:
        found = await price_ladder(conn, services.terms(), listing_id, now)
    price, currency = found.price, found.listing.currency
    shown_minor = price.shown_minor if price else None
    return Shown(
        "price.html",
        {
            "ladder": found,
            "rungs": draw_ladder(price.steps, currency) if price else [],
            "curve": price_curve(found.changes, currency, now),
            "ticks": rival_strip(found.competitors, shown_minor, currency) if found.competitors else [],
            "waiting": [each for each in found.holds if each.verdict is None],
            "decided": [each for each in found.holds if each.verdict in ("approved", "refused")],
        },
    )


async def rates(visit: Visit) -> Shown:
    """Exchange rates."""
    services, max_age = visit.services, rate_max_age(visit.services)
    async with services.pool.acquire() as conn:
        found = await shown_rates(conn, max_age, services.now())
    return Shown("rates.html", {"found": found, "max_age": max_age})
