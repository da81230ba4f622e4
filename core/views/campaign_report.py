"""Tells what a campaign cost and what it brought, against the period of the same length before it.

Plain words, no hidden model. *Cost* is what was granted less what was taken back, points and coupons at what
they count for in the budget. *Turnover* is the price of delivered lines in the campaign's currency, in all
channels, without orders that were refunded whole. *Margin* is that price less what the codes cost, of lines
whose costs are all known. *Extra* is the difference to the period before: seasons, prices and stock move it,
too. *Return* is extra margin less cost, for each unit of cost. What rests on fewer than 30 cases is called
thin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from core.db.pool import Connection, Record
from core.db.queries import load_queries
from core.errors import InvalidInput

_SQL = load_queries("core.views", "campaign_report.sql")
_SPAN = _SQL["span"]
_SPENT_DAYS = _SQL["spent_days"]
_JUDGED = _SQL["judged"]
_USED = _SQL["used"]
_SALES = _SQL["sales"]
_CUSTOMERS = _SQL["customers"]
_REPURCHASE = _SQL["repurchase"]

FEWEST_CASES = 30
AGAIN_DAYS = 30
_PERMILLE = 1000


@dataclass(frozen=True, slots=True)
class Rate:
    """So many of so many."""

    part: int
    whole: int

    @property
    def permille(self) -> int | None:
        """The share in thousandths, rounded down; None of nothing."""
        return _PERMILLE * self.part // self.whole if self.whole else None

    @property
    def thin(self) -> bool:
        """Whether it rests on too few cases to say much."""
        return self.whole < FEWEST_CASES


@dataclass(frozen=True, slots=True)
class Redemption:
    """What was given in one way, and what of it was used: minor units, points, or coupons."""

    pays: str
    used: Rate


@dataclass(frozen=True, slots=True)
class PeriodSales:
    """What was sold in a period; `costed_minor` is the turnover of lines whose costs are known."""

    orders: int
    buyers: int
    turnover_minor: int
    costed_minor: int
    cost_minor: int

    @property
    def margin_minor(self) -> int | None:
        """None where no line's costs are known."""
        return self.costed_minor - self.cost_minor if self.costed_minor else None


@dataclass(frozen=True, slots=True)
class ReportDay:
    """A day: what it cost, what it sold, and what the day as far into the period before sold."""

    day: date
    granted_minor: int
    returned_minor: int
    turnover_minor: int
    before_minor: int


@dataclass(frozen=True, slots=True)
class CampaignReport:
    """A campaign from its start to its end, or to now."""

    name: str
    currency: str
    starts_at: datetime
    until: datetime
    before_from: datetime
    running: bool
    granted_minor: int
    returned_minor: int
    during: PeriodSales
    before: PeriodSales
    conversion: Rate
    redemptions: tuple[Redemption, ...]
    again_days: int
    rewarded_again: Rate
    others_again: Rate
    days: tuple[ReportDay, ...]

    @property
    def cost_minor(self) -> int:
        """What was granted less what was taken back."""
        return self.granted_minor - self.returned_minor

    @property
    def extra_turnover_minor(self) -> int:
        """Against the period before."""
        return self.during.turnover_minor - self.before.turnover_minor

    @property
    def extra_margin_minor(self) -> int | None:
        """Against the period before; None where costs are known in neither."""
        now, before = self.during.margin_minor, self.before.margin_minor
        return None if now is None and before is None else (now or 0) - (before or 0)

    @property
    def return_permille(self) -> int | None:
        """Extra margin less cost, in thousandths of the cost; None without cost or without known costs."""
        extra = self.extra_margin_minor
        if extra is None or self.cost_minor <= 0:
            return None
        return _PERMILLE * (extra - self.cost_minor) // self.cost_minor

    @property
    def costs_known_permille(self) -> int | None:
        """The share of both periods' turnover whose costs are known."""
        whole = self.during.turnover_minor + self.before.turnover_minor
        return Rate(self.during.costed_minor + self.before.costed_minor, whole).permille

    @property
    def thin(self) -> tuple[str, ...]:
        """Which figures rest on too few cases."""
        few = min(self.during.orders, self.before.orders) < FEWEST_CASES
        rates = {
            "conversion": self.conversion,
            "repurchase": min(self.rewarded_again, self.others_again, key=lambda rate: rate.whole),
        }
        return (
            *(("extra sales", "return on cost") if few else ()),
            *(name for name, rate in rates.items() if rate.thin),
        )


async def read_campaign_report(
    conn: Connection, name: str, now: datetime, *, again_days: int = AGAIN_DAYS
) -> CampaignReport:
    """The report as of now. InvalidInput: there is no such campaign, or it has not begun."""
    span = await conn.fetchrow(_SPAN, name)
    if span is None:
        raise InvalidInput(f"no campaign is named {name[:60]!r}: `consignd campaigns list` lists them")
    starts_at, ends_at, currency = span["starts_at"], span["ends_at"], str(span["currency"])
    if now <= starts_at or ends_at <= starts_at:
        raise InvalidInput(f"campaign {name}: it has not begun, so there is nothing to report yet")
    until = min(now, ends_at)
    before_from = starts_at - (until - starts_at)
    periods = (currency, before_from, until, starts_at)
    sales = await conn.fetch(_SALES, *periods)
    customers = await conn.fetchrow(_CUSTOMERS, *periods)
    again = await conn.fetchrow(_REPURCHASE, currency, name, starts_at, until, now, again_days)
    judged = await conn.fetchrow(_JUDGED, name)
    spent = await conn.fetch(_SPENT_DAYS, name)
    used = await conn.fetch(_USED, name)
    assert customers is not None, "counting answers with one row"
    assert again is not None, "counting answers with one row"
    assert judged is not None, "counting answers with one row"
    return CampaignReport(
        name=name,
        currency=currency,
        starts_at=starts_at,
        until=until,
        before_from=before_from,
        running=now < ends_at,
        granted_minor=sum(int(row["granted_minor"]) for row in spent),
        returned_minor=sum(int(row["returned_minor"]) for row in spent),
        during=_period(sales, int(customers["orders"]), int(customers["buyers"]), during=True),
        before=_period(sales, int(customers["orders_before"]), int(customers["buyers_before"]), during=False),
        conversion=Rate(int(judged["granted"]), int(judged["looked_at"])),
        redemptions=tuple(Redemption(row["pays"], Rate(int(row["used"]), int(row["given"]))) for row in used),
        again_days=again_days,
        rewarded_again=Rate(int(again["rewarded_again"]), int(again["rewarded"])),
        others_again=Rate(int(again["others_again"]), int(again["others"])),
        days=_days(starts_at, until, before_from, sales, spent),
    )


def _period(sales: Sequence[Record], orders: int, buyers: int, *, during: bool) -> PeriodSales:
    own = [row for row in sales if row["during"] is during]
    return PeriodSales(
        orders=orders,
        buyers=buyers,
        turnover_minor=sum(int(row["turnover_minor"]) for row in own),
        costed_minor=sum(int(row["costed_minor"]) for row in own),
        cost_minor=sum(int(row["cost_minor"]) for row in own),
    )


def _days(
    starts_at: datetime,
    until: datetime,
    before_from: datetime,
    sales: Sequence[Record],
    spent: Sequence[Record],
) -> tuple[ReportDay, ...]:
    """Every day of the campaign, and of what came back after it, beside the day of the period before."""
    sold = {(row["during"], row["day"]): int(row["turnover_minor"]) for row in sales}
    money = {row["day"]: row for row in spent}
    first = starts_at.date()
    last = max([(until - timedelta(microseconds=1)).date(), *money])
    found = []
    for offset in range((last - min([first, *money])).days + 1):
        day = min([first, *money]) + timedelta(days=offset)
        row = money.get(day)
        found.append(
            ReportDay(
                day=day,
                granted_minor=0 if row is None else int(row["granted_minor"]),
                returned_minor=0 if row is None else int(row["returned_minor"]),
                turnover_minor=sold.get((True, day), 0),
                before_minor=sold.get((False, before_from.date() + (day - first)), 0),
            )
        )
    return tuple(found)
