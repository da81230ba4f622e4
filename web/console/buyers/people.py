"""Decides what the pages on buyers show: who is found, segments, rings, and what is known of one person."""

from __future__ import annotations

from dataclasses import fields

from core.buyers.buyers import find_buyer
from core.buyers.segments import Segment
from core.errors import InvalidInput
from core.views.buyers import show_buyer
from core.views.buyers_found import (
    SegmentCounts,
    count_segments,
    find_buyers,
    known_segments,
    orders_of_buyer,
    suspicions,
)
from core.views.coupons import coupon_page
from core.views.wallets import points_of, wallet_of
from web.api.problems import Problem
from web.console.buyers.figures import STATE_TONES
from web.console.drawing import amount
from web.console.visit import Shown, Visit

_FOUND = 50
_LATEST = 20


async def buyers(visit: Visit) -> Shown:
    """Who is called so, or became known last; segments, lists, and what was found of rings."""
    services, text, counting = visit.services, visit.query("text"), visit.query("count") is not None

    async def count() -> SegmentCounts:
        """Looks at every person."""
        async with services.pool.acquire() as conn:
            return await count_segments(conn, services.now())

    async with services.pool.acquire() as conn:
        found = await find_buyers(conn, services.now(), text, _FOUND + 1)
        segments, lists = await known_segments(conn)
        suspected = await suspicions(conn, _LATEST)
    values = {
        "found": found[:_FOUND],
        "more": len(found) > _FOUND,
        "most": _FOUND,
        "text": text or "",
        "segments": [(each.name, asks_of(each)) for each in segments],
        "counts": await visit.memory.get("segments", count, SegmentCounts) if counting else None,
        "lists": lists,
        "suspected": suspected,
    }
    return Shown("buyers.html", values)


async def buyer(visit: Visit) -> Shown:
    """All that is known of the person behind a name, and what he has."""
    services, name = visit.services, f"{visit.path('channel')}/{visit.path('ref')}"
    now = services.now()
    async with services.pool.acquire() as conn:
        try:
            called = await find_buyer(conn, name)
        except InvalidInput as error:
            raise Problem(404, "Not known", str(error)) from None
        person = await show_buyer(conn, called, now)
        money, points = await wallet_of(conn, called), await points_of(conn, called)
        values = {
            "called": name,
            "person": person,
            "money": money,
            "points": points,
            "lots": sorted((*money.lots, *points.lots), key=lambda lot: -lot.lot_id)[:_LATEST],
            "orders": await orders_of_buyer(conn, called, _LATEST),
            "coupons": (await coupon_page(conn, now, buyer=name, limit=_LATEST)).coupons,
            "tones": STATE_TONES,
        }
    return Shown("buyer.html", values)


def asks_of(segment: Segment) -> list[str]:
    """What a segment asks of those who belong to it, each thing in words of the settings."""
    asked = []
    for each in fields(segment):
        value = getattr(segment, each.name)
        if each.name in ("name", "currency", "turnover_days", "turnover_minor") or value in (None, ()):
            continue
        told = ", ".join(value) if isinstance(value, tuple) else str(value)
        asked.append(f"{each.name.replace('_', ' ')} {told}")
    if segment.turnover_minor is not None and segment.currency is not None:
        spent = amount(segment.turnover_minor, segment.currency)
        asked.append(f"turnover {spent} within {segment.turnover_days} days")
    return asked
