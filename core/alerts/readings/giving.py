"""Measures what is given to buyers: rewards that are dear or late, and coupons that run out unused."""

from __future__ import annotations

from collections.abc import Mapping

from core.alerts.readings.looking import Taker, View, minutes, named, of_channel
from core.alerts.rules import HOUSE, Measure, Metric, Reading, Subject
from core.db.pool import Connection
from core.db.queries import load_queries

_SQL = load_queries("core.alerts.readings", "giving.sql")
_REWARDS_WARNED = _SQL["rewards_warned"]
_REWARDS_LATE = _SQL["rewards_late"]
_COUPONS_EXPIRING = _SQL["coupons_expiring"]


async def _rewards_warned(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    row = await conn.fetchrow(_REWARDS_WARNED, view.now, measure.window)
    assert row is not None, "a count answers with a row"
    facts = {"why": row["why"], "window_minutes": minutes(measure.window)}
    return [Reading(HOUSE, float(row["warned"]), facts)]


async def _rewards_late(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    """Orders that campaigns could not settle, each tried again by itself; why the oldest of them fails."""
    rows = await conn.fetch(_REWARDS_LATE, view.now, measure.after)
    after = {"after_minutes": minutes(measure.after)}
    told = ("first_ref", "first_at", "why")
    return [of_channel(row["channel"], row["late"], {**after, **named(row, *told)}) for row in rows]


async def _coupons_expiring(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    """Coupons whose buyers were to be reminded and that are still good, by their series."""
    return [
        Reading(Subject("series", row["series"]), float(row["coupons"]), named(row, "first_at"))
        for row in await conn.fetch(_COUPONS_EXPIRING, view.now)
    ]


GIVING: Mapping[Metric, Taker] = {
    Metric.REWARDS_WARNED: _rewards_warned,
    Metric.REWARDS_LATE: _rewards_late,
    Metric.COUPONS_EXPIRING: _coupons_expiring,
}
