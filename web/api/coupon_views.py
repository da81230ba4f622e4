"""Lets people see coupons under masks, what series cost, who is to be reminded, and campaigns' reports."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import Field

from core.coupons.judging import Refused
from core.db.pool import Connection
from core.views.campaign_report import CampaignReport, read_campaign_report
from core.views.coupon_standing import CouponStanding, coupon_standing
from core.views.coupons import (
    CouponPage,
    CouponView,
    DeedView,
    ReminderPage,
    SeriesView,
    StepView,
    coupon_deeds,
    coupon_page,
    coupon_series,
    coupon_steps,
    reminders,
)
from web.access import Right
from web.api.problems import Problem
from web.api.route import Call, Route, Shape
from web.api.shapes import Limit, Words

_LARGEST_ID = 2**63 - 1
_Id = Annotated[int, Field(ge=0, le=_LARGEST_ID)]


class CouponQuery(Shape):
    """Which coupons to list."""

    series: str | None = None
    buyer: str | None = None
    before: Annotated[_Id | None, Field(description="`next_before` of the page before")] = None
    limit: Limit = 50


class ReminderQuery(Shape):
    """Those after this number."""

    after: Annotated[_Id, Field(description="`next_after` of the call before, so that none comes twice")] = 0
    limit: Limit = 100


class StandingQuery(Shape):
    """Within how many days coupons run out soon, and how many of those to list."""

    days: Annotated[int, Field(ge=1, le=365)] = 30
    limit: Limit = 20


class FindBody(Shape):
    """A coupon's code as somebody typed it; sent in the body, so that no log of addresses has it."""

    code: Annotated[str, Field(min_length=1, max_length=100, repr=False)]


class RevealBody(Shape):
    """Why somebody has to see the code; kept with his name."""

    reason: Words


class ReportQuery(Shape):
    """Within how many days buyers come again."""

    days: Annotated[int, Field(ge=1, le=365)] = 30


@dataclass(frozen=True, slots=True)
class CouponDetail:
    """A coupon, what happened to its uses, and what people did to it."""

    coupon: CouponView
    steps: list[StepView]
    deeds: list[DeedView]


@dataclass(frozen=True, slots=True)
class RevealedCoupon:
    """A coupon's code in clear."""

    coupon_id: int
    code: str


@dataclass(frozen=True, slots=True)
class SeriesList:
    """Every series."""

    series: tuple[SeriesView, ...]


async def list_coupons(call: Call) -> CouponPage:
    """Coupons under their masks."""
    query, services = call.query(CouponQuery), call.services
    async with services.pool.acquire() as conn:
        return await coupon_page(
            conn,
            services.now(),
            series=query.series,
            buyer=query.buyer,
            before=query.before,
            limit=query.limit,
        )


async def show_coupon(call: Call) -> CouponDetail:
    """One coupon."""
    async with call.services.pool.acquire() as conn:
        return await _detail(conn, coupon_id(call), call.services.now())


async def find_coupon(call: Call) -> CouponDetail:
    """The coupon that has a code."""
    services = call.services
    async with services.pool.acquire() as conn:
        found = await services.coupons.checkout.find(conn, call.body(FindBody).code)
        if isinstance(found, Refused):
            raise Problem(404, "Not known", found.text)
        return await _detail(conn, found, services.now())


async def _detail(conn: Connection, number: int, now: datetime) -> CouponDetail:
    coupon, steps = await coupon_steps(conn, number, now)
    return CouponDetail(coupon, steps, await coupon_deeds(conn, number))


async def reveal_coupon(call: Call) -> RevealedCoupon:
    """A code in clear, once the row that says who saw it is committed."""
    services, number, reason = call.services, coupon_id(call), call.body(RevealBody).reason
    async with services.pool.acquire() as conn, conn.transaction():
        code = await services.coupons.bulk.reveal(
            conn, number, services.now(), actor=call.token.name, reason=reason
        )
    return RevealedCoupon(number, code)


async def show_standing(call: Call) -> CouponStanding:
    """How many coupons are open, held, used up or gone, and what runs out."""
    query, services = call.query(StandingQuery), call.services
    async with services.pool.acquire() as conn:
        return await coupon_standing(conn, services.now(), days=query.days, limit=query.limit)


async def list_series(call: Call) -> SeriesList:
    """Series with their figures."""
    async with call.services.pool.acquire() as conn:
        return SeriesList(await coupon_series(conn, call.services.now()))


async def list_reminders(call: Call) -> ReminderPage:
    """Who is to be told that a coupon runs out."""
    query = call.query(ReminderQuery)
    async with call.services.pool.acquire() as conn:
        return await reminders(conn, query.after, query.limit)


async def show_report(call: Call) -> CampaignReport:
    """What a campaign cost and brought."""
    async with call.services.pool.acquire() as conn:
        days = call.query(ReportQuery).days
        return await read_campaign_report(conn, call.path("name"), call.services.now(), again_days=days)


def coupon_id(call: Call) -> int:
    """The number of a coupon in the path."""
    text = call.path("coupon_id")
    if not text.isascii() or not text.isdigit() or int(text) > _LARGEST_ID - 1:
        raise Problem(404, "Not known", "coupons have numbers; `GET /api/v1/coupons` lists them")
    return int(text)


ROUTES = (
    Route(
        "GET",
        "/coupons",
        Right.READ,
        "List coupons under their masks",
        CouponPage,
        list_coupons,
        query=CouponQuery,
    ),
    Route(
        "GET",
        "/coupons/series",
        Right.MONEY,
        "List series with what they took off and cost",
        SeriesList,
        list_series,
    ),
    Route(
        "GET",
        "/coupons/standing",
        Right.READ,
        "Count coupons by series and state, and those that run out soon",
        CouponStanding,
        show_standing,
        query=StandingQuery,
    ),
    Route(
        "POST",
        "/coupons/find",
        Right.OPERATE,
        "Find the coupon that has a code",
        CouponDetail,
        find_coupon,
        body=FindBody,
    ),
    Route(
        "POST",
        "/coupons/{coupon_id}/reveal",
        Right.REVEAL,
        "Show a coupon's code, with a reason that is kept",
        RevealedCoupon,
        reveal_coupon,
        body=RevealBody,
    ),
    Route(
        "GET",
        "/coupons/reminders",
        Right.READ,
        "List buyers to be told that a coupon runs out",
        ReminderPage,
        list_reminders,
        query=ReminderQuery,
    ),
    Route(
        "GET",
        "/coupons/{coupon_id}",
        Right.READ,
        "Show a coupon and what happened to it",
        CouponDetail,
        show_coupon,
    ),
    Route(
        "GET",
        "/campaigns/{name}/report",
        Right.MONEY,
        "Report what a campaign cost and brought",
        CampaignReport,
        show_report,
        query=ReportQuery,
    ),
)
