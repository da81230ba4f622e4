"""Tells how sales of SKUs depend on weekday, hour and month, and what they sell usually: from own sales.

Weekdays and hours are counted over the last whole weeks, so that each stands in the sum equally often; months
only where a whole year was watched. Few sales tell little: each factor is drawn towards 1 as if some more
units had been sold at the mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.db.pool import Connection, Record
from core.db.queries import load_queries
from core.types import SkuId

_SEASONS = load_queries("core.offers.history", "seasons.sql")["seasons"]

WEEKS = timedelta(weeks=8)
YEAR = timedelta(days=365)
# So many units at the mean are added to each weekday, hour and month.
_PRIOR_UNITS = 10.0


@dataclass(frozen=True, slots=True)
class Season:
    """Sales in relation to the mean by weekday, hour and month of UTC, and units sold on a usual day."""

    usual_per_day: float | None = None
    weekday: tuple[float, ...] = ()
    hour: tuple[float, ...] = ()
    month: tuple[float, ...] = ()


async def read_seasons(
    conn: Connection, sku_ids: Sequence[SkuId], measured_days: dict[SkuId, float], now: datetime
) -> dict[SkuId, Season]:
    """The seasons of some SKUs; those that were watched for less than a week have none."""
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    weeks = {sku_id: min(int(measured_days.get(sku_id, 0.0) // 7), WEEKS.days // 7) for sku_id in sku_ids}
    found: dict[SkuId, Season] = {}
    for count in sorted({count for count in weeks.values() if count > 0}):
        ids = sorted(sku_id for sku_id, of_sku in weeks.items() if of_sku == count)
        since = this_hour - timedelta(weeks=count)
        rows = await conn.fetch(_SEASONS, ids, min(this_hour - YEAR, since), since, this_hour)
        for sku_id in ids:
            own = [row for row in rows if row["sku_id"] == sku_id]
            found[sku_id] = season(own, count, whole_year=measured_days[sku_id] >= YEAR.days)
    return found


def season(rows: Sequence[Record], weeks: int, *, whole_year: bool) -> Season:
    """One SKU's season from its rows. Pure."""
    weekday, hour, month, total = [0] * 7, [0] * 24, [0] * 12, 0
    for row in rows:
        recent = int(row["recent_units"] or 0)
        if row["weekday"] is not None:
            weekday[row["weekday"] - 1] = recent
        elif row["hour_of_day"] is not None:
            hour[row["hour_of_day"]] = recent
        elif row["month"] is not None:
            month[row["month"] - 1] = int(row["units"])
        else:
            total = recent
    return Season(
        usual_per_day=total / (weeks * 7),
        weekday=factors(weekday),
        hour=factors(hour),
        month=factors(month) if whole_year else (),
    )


def factors(units: Sequence[int]) -> tuple[float, ...]:
    """Each part's units in relation to the mean, drawn towards 1. Pure."""
    mean = sum(units) / len(units)
    return tuple((part + _PRIOR_UNITS) / (mean + _PRIOR_UNITS) for part in units)
