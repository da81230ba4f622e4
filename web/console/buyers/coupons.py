"""Decides what the pages on coupons show, and what people do there: find, look at a code, take one back."""

from __future__ import annotations

from aiohttp import web

from core.coupons.judging import Refused
from core.coupons.writing import read_code
from core.errors import InvalidInput
from core.views.coupon_standing import CouponStanding, coupon_standing
from core.views.coupons import (
    CouponPage,
    SeriesView,
    coupon_deeds,
    coupon_issues,
    coupon_page,
    coupon_series,
    coupon_steps,
)
from web.access import Right
from web.api.prices import number_of
from web.api.problems import Problem
from web.console.buyers.figures import STATE_TONES, coupon_life, first_and_last, run_out_columns
from web.console.forms import Form, reason_of
from web.console.visit import Shown, Visit
from web.console.words import ENGLISH

_COUPONS = 20
_ISSUES = 20
_LARGEST_ID = 2**63 - 2
_Figures = dict[str, SeriesView]


async def coupons(visit: Visit) -> Shown:
    """Series with where their coupons stand, what runs out, batches, and coupons under their masks."""
    services, before = visit.services, visit.query("before")
    now, series, buyer = services.now(), visit.query("series"), visit.query("buyer")

    async def read() -> CouponStanding:
        """Counts every coupon there is."""
        async with services.pool.acquire() as conn:
            return await coupon_standing(conn, now)

    overall = await visit.memory.get("coupons", read, CouponStanding)
    days = overall.running_out.days
    async with services.pool.acquire() as conn:
        try:
            page = await coupon_page(
                conn,
                now,
                series=series,
                buyer=buyer,
                before=None if before is None else number_of(before, "coupon"),
                limit=_COUPONS,
            )
        except InvalidInput:
            # Nobody is called so: he has no coupons, and the page says that.
            page = CouponPage((), None)
        issues = await coupon_issues(conn, _ISSUES)
    return Shown(
        "coupons.html",
        {
            "overall": overall,
            "columns": run_out_columns(days),
            "ends": first_and_last(days),
            "tones": STATE_TONES,
            "figures": await _figures(visit) if visit.session.token.may(Right.MONEY) else {},
            "issues": issues,
            "page": page,
            "chosen": {"series": series, "buyer": buyer, "before": before},
        },
    )


async def _figures(visit: Visit) -> _Figures:
    """What each series took off and cost, for those who may see money."""
    services = visit.services

    async def read() -> _Figures:
        async with services.pool.acquire() as conn:
            return {each.name: each for each in await coupon_series(conn, services.now())}

    return await visit.memory.get("coupon series", read, dict)


async def coupon(visit: Visit) -> Shown:
    """One coupon and what happened to it."""
    return await _shown(visit, _number(visit), None)


async def find(visit: Visit, form: Form) -> Shown:
    """The coupon with a number or a code; the code came in a form, so that no log of addresses has it."""
    text, services = form.get("coupon", "").strip(), visit.services
    if text.isascii() and text.isdigit() and read_code(text) is None:
        raise web.HTTPSeeOther(f"/console/coupons/{number_of(text, 'coupon')}")
    async with services.pool.acquire() as conn:
        found = await services.coupons.checkout.find(conn, text)
    if isinstance(found, Refused):
        raise Problem(404, "Not known", found.text)
    raise web.HTTPSeeOther(f"/console/coupons/{found}")


async def reveal(visit: Visit, form: Form) -> Shown:
    """A code in clear, on this one answer, once the row that says so is committed."""
    services, number = visit.services, _number(visit)
    async with services.pool.acquire() as conn, conn.transaction():
        code = await services.coupons.bulk.reveal(
            conn, number, services.now(), actor=visit.session.token.name, reason=reason_of(form)
        )
    return await _shown(visit, number, code)


async def revoke(visit: Visit, form: Form) -> Shown:
    """A coupon taken back."""
    services, number = visit.services, _number(visit)
    async with services.pool.acquire() as conn, conn.transaction():
        done = await services.coupons.revoke(
            conn, number, services.now(), actor=visit.session.token.name, reason=reason_of(form)
        )
    visit.session.notice = ENGLISH["revoked_coupon_done" if done else "revoked_coupon_before"] % number
    raise web.HTTPSeeOther(f"/console/coupons/{number}")


async def _shown(visit: Visit, number: int, code: str | None) -> Shown:
    async with visit.services.pool.acquire() as conn:
        found, steps = await coupon_steps(conn, number, visit.services.now())
        life = coupon_life(steps, await coupon_deeds(conn, number))
    values = {"coupon": found, "life": life, "used": bool(steps), "code": code, "tones": STATE_TONES}
    return Shown("coupon.html", values, address=f"/console/coupons/{number}")


def _number(visit: Visit) -> int:
    text = visit.path("coupon_id")
    if not text.isascii() or not text.isdigit() or int(text) > _LARGEST_ID:
        raise Problem(404, "Not known", "coupons have numbers; look for it under Coupons")
    return int(text)
