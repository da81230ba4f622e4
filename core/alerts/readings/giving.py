"""Measures what is given to buyers: rewards that take much of an order's margin, and those that come late."""

from __future__ import annotations

from collections.abc import Mapping

from core.alerts.readings.looking import Taker, View, minutes, named, of_channel
from core.alerts.rules import HOUSE, Measure, Metric, Reading
from core.db.pool import Connection
from core.db.queries import load_queries

_SQL = load_queries("core.alerts.readings", "giving.sql")
_REWARDS_WARNED = _SQL["rewards_warned"]
_REWARDS_LATE = _SQL["rewards_late"]


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


GIVING: Mapping[Metric, Taker] = {
    Metric.REWARDS_WARNED: _rewards_warned,
    Metric.REWARDS_LATE: _rewards_late,
}
