"""Measures money: books out of balance, what is late, owed or told otherwise, and what channels cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.alerts.readings.looking import Taker, View, moment, named, of_channel
from core.alerts.rules import HOUSE, Fact, Measure, Metric, Reading
from core.db.pool import Connection
from core.db.queries import load_queries
from core.money.money import Money
from core.views.channel_figures import ChannelFigures, channel_figures

_SQL = load_queries("core.alerts.readings", "money.sql")
_IMBALANCE = _SQL["imbalance"]
_PAYOUTS = _SQL["payouts"]
_DISCREPANCIES = _SQL["discrepancies"]
_SPLITS_OWED = _SQL["splits_owed"]
_SETTLEMENTS_WAITING = _SQL["settlements_waiting"]
_DAY_SECONDS = 86_400.0


async def _imbalance(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    row = await conn.fetchrow(_IMBALANCE)
    assert row is not None, "a count answers with a row"
    return [Reading(HOUSE, float(row["transactions"]), {"first_id": row["first_id"]})]


async def _payout_late(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    return [
        of_channel(
            row["channel"],
            row["days"],
            {"last_paid_at": moment(row["last_paid_at"]), "first_owed_at": moment(row["first_owed_at"])},
        )
        for row in await conn.fetch(_PAYOUTS, view.now)
    ]


async def _discrepancies(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    return [
        of_channel(row["channel"], row["open"], {"first_at": moment(row["first_at"])})
        for row in await conn.fetch(_DISCREPANCIES, view.now, measure.after)
    ]


async def _splits_owed(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    """Delivered orders whose money waits for a plan or a fact; how long the oldest does."""
    rows = await conn.fetch(_SPLITS_OWED, view.now, measure.after)
    told = ("first_ref", "first_at", "oldest_seconds", "why")
    return [of_channel(row["channel"], row["owed"], named(row, *told)) for row in rows]


async def _settlements_waiting(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    row = await conn.fetchrow(_SETTLEMENTS_WAITING, view.now, measure.after)
    assert row is not None, "a count answers with a row"
    return [Reading(HOUSE, float(row["waiting"]), named(row, "first_id", "first_at"))]


async def _figures(conn: Connection, measure: Measure, view: View) -> tuple[ChannelFigures, ...]:
    days = max(round(measure.window.total_seconds() / _DAY_SECONDS), 1)
    return await channel_figures(conn, view.now, days)


async def _cost_percent(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    """Of too few sales it says nothing, which is well."""
    found = []
    for figures in await _figures(conn, measure, view):
        enough = figures.deliveries >= max(measure.at_least, 1)
        fees, turnover = (
            Money(figures.fees_minor, figures.currency),
            Money(figures.turnover_minor, figures.currency),
        )
        facts: dict[str, Fact] = {"fees": str(fees), "turnover": str(turnover), "days": figures.days}
        found.append(of_channel(figures.channel, (figures.cost_percent or 0.0) if enough else 0.0, facts))
    return _worst(found)


async def _stock_turnover(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    """A channel whose stock was watched too shortly is left out; so is one that keeps hardly any."""
    found = []
    for figures in await _figures(conn, measure, view):
        stock = figures.stock_units or 0.0
        if figures.turnover_per_year is not None and stock >= max(measure.at_least, 1):
            facts: dict[str, Fact] = {"sold": round(figures.sold_units), "stock": round(stock)}
            facts["days"] = figures.days
            found.append(of_channel(figures.channel, figures.turnover_per_year, facts))
    return list({reading.subject: reading for reading in found}.values())


async def _complaints(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    found = []
    for figures in await _figures(conn, measure, view):
        enough = figures.deliveries >= max(measure.at_least, 1)
        facts: dict[str, Fact] = {
            "complaints": figures.refunds + figures.replacements,
            "deliveries": figures.deliveries,
            "days": figures.days,
        }
        value = (figures.complaint_percent or 0.0) if enough else 0.0
        found.append(of_channel(figures.channel, value, facts))
    return _worst(found)


def _worst(readings: Sequence[Reading]) -> list[Reading]:
    """A channel of several currencies is told of once, by its worst."""
    ranked = sorted(readings, key=lambda reading: reading.value)
    return list({reading.subject: reading for reading in ranked}.values())


MONEY: Mapping[Metric, Taker] = {
    Metric.LEDGER_IMBALANCE: _imbalance,
    Metric.PAYOUT_LATE_DAYS: _payout_late,
    Metric.DISCREPANCIES: _discrepancies,
    Metric.SPLITS_OWED: _splits_owed,
    Metric.SETTLEMENTS_WAITING: _settlements_waiting,
    Metric.COST_PERCENT: _cost_percent,
    Metric.STOCK_TURNOVER: _stock_turnover,
    Metric.COMPLAINT_PERCENT: _complaints,
}
