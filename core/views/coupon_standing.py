"""Tells where all coupons stand: how many of each series are open, used up or gone; what runs out soon."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from core.coupons.series import Series, series_from_json
from core.db.pool import Connection, Record
from core.db.queries import load_queries
from core.views.coupons import CouponView

_SQL = load_queries("core.views", "coupon_standing.sql")
_STANDING = _SQL["standing"]
_RUN_OUT_DAYS = _SQL["run_out_days"]
_RUN_OUT_NEXT = _SQL["run_out_next"]


@dataclass(frozen=True, slots=True)
class SeriesStanding:
    """A series under its latest terms, and its coupons, each counted once; `issued` is their sum.

    `open` may be used, and `soon` are those of them that run out soon. `takes_off` is in minor units of
    `currency`, or for a percentage in parts per million.
    """

    name: str
    version: int
    kind: str
    currency: str
    takes_off: int
    uses_at_most: int
    issued: int
    open: int
    held: int
    used_up: int
    expired: int
    revoked: int
    soon: int


@dataclass(frozen=True, slots=True)
class RunOutDay:
    """How many coupons that are still good run out on a day (UTC)."""

    day: date
    coupons: int


@dataclass(frozen=True, slots=True)
class RunningOut:
    """What runs out soon: day by day, days without one too, and the first coupons by themselves."""

    days: tuple[RunOutDay, ...]
    coupons: tuple[CouponView, ...]


@dataclass(frozen=True, slots=True)
class CouponStanding:
    """Every series, and what runs out within `days`."""

    days: int
    series: tuple[SeriesStanding, ...]
    running_out: RunningOut


async def coupon_standing(
    conn: Connection, now: datetime, *, days: int = 30, limit: int = 20
) -> CouponStanding:
    """Counts every coupon there is; `limit` of those that run out first are told by themselves."""
    until = now + timedelta(days=days)
    series = tuple(_series(row) for row in await conn.fetch(_STANDING, now, until))
    by_day = {row["day"]: int(row["coupons"]) for row in await conn.fetch(_RUN_OUT_DAYS, now, until)}
    every = (now.date() + timedelta(days=number) for number in range(days + 1))
    told = tuple(RunOutDay(day, by_day.get(day, 0)) for day in every)
    coupons = tuple(CouponView(**dict(row)) for row in await conn.fetch(_RUN_OUT_NEXT, now, until, limit))
    return CouponStanding(days, series, RunningOut(told, coupons))


def _series(row: Record) -> SeriesStanding:
    terms: Series = series_from_json(row["name"], row["terms"])
    counts = {name: value for name, value in row.items() if name != "terms"}
    return SeriesStanding(
        kind=terms.kind.value,
        currency=terms.currency,
        takes_off=terms.amount_minor or terms.rate_ppm,
        uses_at_most=terms.uses,
        **counts,
    )
