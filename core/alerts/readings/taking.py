"""Tells what is measured for alerts: each reading is a subject, a value, and the facts a message needs."""

from __future__ import annotations

from collections.abc import Mapping

from core.alerts.readings.giving import GIVING
from core.alerts.readings.looking import Taker, View
from core.alerts.readings.money import MONEY
from core.alerts.readings.offers import OFFERS
from core.alerts.readings.orders import ORDERS
from core.alerts.readings.stock import STOCK
from core.alerts.rules import Measure, Metric, Reading
from core.db.pool import Connection

_TAKERS: Mapping[Metric, Taker] = {**STOCK, **OFFERS, **ORDERS, **MONEY, **GIVING}

# How often each thing is looked at, in seconds; what is not named here, at every sweep. Dear looks are rare.
INTERVAL_SECONDS: Mapping[Metric, float] = {
    Metric.STOCK_PERCENT: 60.0,
    Metric.COVER_DAYS: 60.0,
    Metric.EXPIRING: 600.0,
    Metric.LEDGER_IMBALANCE: 300.0,
    Metric.PAYOUT_LATE_DAYS: 3_600.0,
    Metric.DISCREPANCIES: 60.0,
    Metric.COST_PERCENT: 3_600.0,
    Metric.STOCK_TURNOVER: 3_600.0,
    Metric.COMPLAINT_PERCENT: 3_600.0,
    Metric.RATE_AGE_SECONDS: 60.0,
    Metric.COUPONS_EXPIRING: 600.0,
}


async def take_readings(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    """Measure one thing; all its subjects are among the readings, those that are well too."""
    return await _TAKERS[measure.metric](conn, measure, view)
