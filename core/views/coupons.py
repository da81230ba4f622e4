"""Tells of series and coupons: what they took off and cost, where each stands, who is to be reminded.

*Marginal cost* of a series is what its coupons took off and was not given back, less what third parties
bear. *Margin* is the price of the delivered orders that we know, after the discount, less what their codes
cost, for those whose costs are all known. Both stand side by side; what buyers would have done without a
coupon nobody knows, and nothing is guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from core.buyers.buyers import find_buyer
from core.coupons.series import Series, series_from_json
from core.db.pool import Connection, Record
from core.db.queries import load_queries
from core.errors import UnknownCoupon

_SQL = load_queries("core.views", "coupons.sql")
_SERIES = _SQL["series"]
_COUPONS = _SQL["coupons"]
_STEPS = _SQL["steps"]
_DEEDS = _SQL["deeds"]
_REMINDERS = _SQL["reminders"]
_ISSUES = _SQL["issues"]


@dataclass(frozen=True, slots=True)
class SeriesView:
    """A series under its latest terms, with figures of all its versions; amounts in its currency."""

    name: str
    version: int
    kind: str
    currency: str
    takes_off: int
    budget_minor: int | None
    borne_by: str | None
    published_at: datetime
    issued: int
    used: int
    revoked: int
    expired: int
    given: int
    held: int
    discount_minor: int
    held_minor: int
    borne_minor: int
    marginal_cost_minor: int
    orders: int
    turnover_minor: int
    costed_orders: int
    margin_minor: int


@dataclass(frozen=True, slots=True)
class CouponView:
    """A coupon under its mask. State: open, held, used up, expired or revoked."""

    coupon_id: int
    series: str
    mask: str
    buyer: str | None
    source_kind: str
    source_ref: str
    issued_at: datetime
    expires_at: datetime | None
    state: str
    uses: int
    uses_at_most: int


@dataclass(frozen=True, slots=True)
class CouponPage:
    """Coupons, newest first; `next_before` asks for the ones after."""

    coupons: tuple[CouponView, ...]
    next_before: int | None


@dataclass(frozen=True, slots=True)
class StepView:
    """What happened to a use of a coupon; `order_id` where its basket became an order that we know."""

    channel: str
    basket_ref: str
    state: str
    at: datetime
    actor: str
    reason: str
    amount_minor: int
    currency: str
    order_id: int | None


@dataclass(frozen=True, slots=True)
class DeedView:
    """What somebody did to a coupon: coupon.reveal, coupon.give or coupon.revoke."""

    action: str
    at: datetime
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class ReminderView:
    """A buyer who is to be told that a coupon runs out."""

    reminder_id: int
    coupon_id: int
    series: str
    mask: str
    buyer: str
    expires_at: datetime
    days_before: int
    reminded_at: datetime


@dataclass(frozen=True, slots=True)
class ReminderPage:
    """Reminders after a number; ask next time for those after `next_after`, and none comes twice."""

    reminders: tuple[ReminderView, ...]
    next_after: int


@dataclass(frozen=True, slots=True)
class IssueView:
    """Many coupons that were issued at once."""

    issue_id: int
    series: str
    wanted: int
    segment: str | None
    issued: int
    actor: str
    reason: str
    begun_at: datetime
    exported_at: datetime | None
    exported_by: str | None


async def coupon_series(conn: Connection, now: datetime, name: str | None = None) -> tuple[SeriesView, ...]:
    """Every series that was ever published, or one."""
    return tuple(_series(row) for row in await conn.fetch(_SERIES, name, now))


async def coupon_page(
    conn: Connection,
    now: datetime,
    *,
    series: str | None = None,
    buyer: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> CouponPage:
    """Coupons of a series, of a buyer under all his names, or all."""
    buyer_id = None if buyer is None else (await find_buyer(conn, buyer)).buyer_id
    rows = await conn.fetch(_COUPONS, series, buyer_id, before, limit + 1, now)
    found = tuple(CouponView(**dict(row)) for row in rows[:limit])
    return CouponPage(found, found[-1].coupon_id if len(rows) > limit else None)


async def coupon_steps(conn: Connection, coupon_id: int, now: datetime) -> tuple[CouponView, list[StepView]]:
    """One coupon, and what happened to it."""
    rows = await conn.fetch(_COUPONS, None, None, coupon_id + 1, 1, now)
    if not rows or rows[0]["coupon_id"] != coupon_id:
        raise UnknownCoupon(f"coupon {coupon_id} is not known; `consignd coupons list` lists them")
    steps = [StepView(**dict(row)) for row in await conn.fetch(_STEPS, coupon_id)]
    return CouponView(**dict(rows[0])), steps


async def coupon_deeds(conn: Connection, coupon_id: int) -> list[DeedView]:
    """Who looked at a coupon's code, who gave it and who took it back, the newest first."""
    return [DeedView(**dict(row)) for row in await conn.fetch(_DEEDS, coupon_id)]


async def reminders(conn: Connection, after: int, limit: int = 500) -> ReminderPage:
    """Who is to be told since."""
    found = tuple(ReminderView(**dict(row)) for row in await conn.fetch(_REMINDERS, after, limit))
    return ReminderPage(found, found[-1].reminder_id if found else after)


async def coupon_issues(conn: Connection, limit: int = 100) -> tuple[IssueView, ...]:
    """Issues, newest first."""
    return tuple(IssueView(**dict(row)) for row in await conn.fetch(_ISSUES, limit))


def _series(row: Record) -> SeriesView:
    terms: Series = series_from_json(row["name"], row["terms"])
    figures = {name: value for name, value in row.items() if name != "terms"}
    return SeriesView(
        kind=terms.kind.value,
        currency=terms.currency,
        takes_off=terms.amount_minor or terms.rate_ppm,
        budget_minor=terms.budget_minor,
        borne_by=terms.borne_by,
        marginal_cost_minor=int(row["discount_minor"]) - int(row["borne_minor"]),
        **figures,
    )
