"""Measures offers: how late channels show them, where they show something else, what is closed or held."""

from __future__ import annotations

from collections.abc import Mapping

from core.alerts.readings.looking import Taker, View, minutes, moment, of_channel
from core.alerts.rules import Measure, Metric, Reading, Subject
from core.db.pool import Connection
from core.db.queries import load_queries
from core.offers.history.selling import read_lags
from core.types import ChannelId

_SQL = load_queries("core.alerts.readings", "offers.sql")
_CHANNEL_NAMES = _SQL["channel_names"]
_DRIFTS = _SQL["drifts"]
_GUARDS = _SQL["guards"]
_PRICES_HELD = _SQL["prices_held"]
_RATES = _SQL["rates"]


async def _publish_lag(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    names = {ChannelId(row["channel_id"]): str(row["name"]) for row in await conn.fetch(_CHANNEL_NAMES)}
    lags = await read_lags(conn)
    found = []
    for channel_id, name in names.items():
        lag = lags.get(channel_id)
        seconds = lag.quantile(measure.quantile) if lag else None
        if lag is not None and seconds is not None:
            facts = {"quantile": measure.quantile, "median_seconds": lag.quantile(0.5)}
            found.append(of_channel(name, seconds, facts))
    return found


async def _drift(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    rows = await conn.fetch(_DRIFTS, view.now, measure.window)
    within = minutes(measure.window)
    return [
        of_channel(
            row["channel"],
            row["drifted"],
            {"asking": row["asking"], "last_ref": row["last_ref"], "window_minutes": within},
        )
        for row in rows
    ]


async def _guard_closed(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    return [
        of_channel(row["channel"], row["closed"], {"why": row["why"]}) for row in await conn.fetch(_GUARDS)
    ]


async def _prices_held(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    rows = await conn.fetch(_PRICES_HELD)
    return [of_channel(row["channel"], row["held"], {"first_at": moment(row["first_at"])}) for row in rows]


async def _rate_age(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    return [
        Reading(
            Subject("pair", f"{row['base']}/{row['quote']}"),
            max(row["seconds"], 0.0),
            {"source": row["source"], "valid_at": moment(row["valid_at"])},
        )
        for row in await conn.fetch(_RATES, view.now)
    ]


OFFERS: Mapping[Metric, Taker] = {
    Metric.PUBLISH_LAG_SECONDS: _publish_lag,
    Metric.DRIFT: _drift,
    Metric.GUARD_CLOSED: _guard_closed,
    Metric.PRICES_HELD: _prices_held,
    Metric.RATE_AGE_SECONDS: _rate_age,
}
