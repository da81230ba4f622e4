"""Measures orders: what fails, what waits, what was refused, and channels that nothing comes from."""

from __future__ import annotations

from collections.abc import Mapping

from core.alerts.readings.looking import Taker, View, minutes, named, of_channel, share
from core.alerts.rules import Measure, Metric, Reading
from core.db.pool import Connection
from core.db.queries import load_queries

_SQL = load_queries("core.alerts.readings", "orders.sql")
_DELIVERIES = _SQL["deliveries"]
_PROVIDES = _SQL["provides"]
_REFUSED = _SQL["refused"]
_OPEN_ORDERS = _SQL["open_orders"]
_REFUNDS_OWED = _SQL["refunds_owed"]
_CHANNELS_DOWN = _SQL["channels_down"]


async def _delivery_failures(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    rows = await conn.fetch(_DELIVERIES, view.now, measure.window)
    return [share(row["channel"], row["failures"], row["attempts"], measure) for row in rows]


async def _provide_failures(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    rows = await conn.fetch(_PROVIDES, view.now, measure.window)
    return [share(row["channel"], row["failures"], row["attempts"], measure) for row in rows]


async def _refused(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    rows = await conn.fetch(_REFUSED, view.now, measure.window)
    within = minutes(measure.window)
    return [
        of_channel(row["channel"], row["refused"], {"asked": row["asked"], "window_minutes": within})
        for row in rows
    ]


def _open_orders(count: str, first: str) -> Taker:
    """A taker for one of the ways in which open orders can be ill."""

    async def take(conn: Connection, measure: Measure, view: View) -> list[Reading]:
        rows = await conn.fetch(_OPEN_ORDERS, view.now, measure.after)
        after = minutes(measure.after)
        return [
            of_channel(row["channel"], row[count], {"first_ref": row[first], "after_minutes": after})
            for row in rows
        ]

    return take


async def _refunds_owed(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    rows = await conn.fetch(_REFUNDS_OWED)
    return [of_channel(row["channel"], row["owed"], named(row, "first_ref", "first_at")) for row in rows]


async def _channel_down(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    return [
        of_channel(
            row["channel"],
            row["seconds"],
            {"part": row["subject"], "detail": row["detail"], "undriven": bool(row["undriven"])},
        )
        for row in await conn.fetch(_CHANNELS_DOWN, view.now, list(view.driven))
    ]


ORDERS: Mapping[Metric, Taker] = {
    Metric.DELIVERY_FAILURE_PERCENT: _delivery_failures,
    Metric.PROVIDE_FAILURE_PERCENT: _provide_failures,
    Metric.ORDERS_STUCK: _open_orders("stuck", "first_stuck"),
    Metric.ORDERS_HELD: _open_orders("held", "first_held"),
    Metric.OVERSELL: _open_orders("without_codes", "first_without_codes"),
    Metric.RESERVATIONS_REFUSED: _refused,
    Metric.REFUNDS_OWED: _refunds_owed,
    Metric.CHANNEL_DOWN_SECONDS: _channel_down,
}
