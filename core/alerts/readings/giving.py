"""Measures what is given to buyers: rewards that take much of an order's margin."""

from __future__ import annotations

from collections.abc import Mapping

from core.alerts.readings.looking import Taker, View, minutes
from core.alerts.rules import HOUSE, Measure, Metric, Reading
from core.db.pool import Connection
from core.db.queries import load_queries

_REWARDS_WARNED = load_queries("core.alerts.readings", "giving.sql")["rewards_warned"]


async def _rewards_warned(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    row = await conn.fetchrow(_REWARDS_WARNED, view.now, measure.window)
    assert row is not None, "a count answers with a row"
    facts = {"why": row["why"], "window_minutes": minutes(measure.window)}
    return [Reading(HOUSE, float(row["warned"]), facts)]


GIVING: Mapping[Metric, Taker] = {
    Metric.REWARDS_WARNED: _rewards_warned,
}
