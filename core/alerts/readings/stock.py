"""Measures stock: free codes, against their usual level, how long they last, and what of them ends soon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from core.alerts.readings.looking import Shelf, Taker, View, moment, of_sku
from core.alerts.rules import Measure, Metric, Reading
from core.db.pool import Connection
from core.db.queries import load_queries
from core.offers.history.restock import days_of_cover
from core.offers.history.selling import read_selling
from core.types import SkuId

_SQL = load_queries("core.alerts.readings", "stock.sql")
_STOCK = _SQL["stock"]
_EXPIRING = _SQL["expiring"]
# Days of sales that a usual level must be made of before a share of it says anything.
_LEAST_DAYS = 3.0


async def _shelves(conn: Connection, view: View) -> Sequence[Shelf]:
    if not view.shelves:
        rows = await conn.fetch(_STOCK, view.now)
        selling = await read_selling(conn, [SkuId(row["sku_id"]) for row in rows], view.now)
        view.shelves.extend(Shelf(row, selling[SkuId(row["sku_id"])], int(row["codes"])) for row in rows)
    return view.shelves


async def _stock(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    return [shelf.reading(shelf.codes, measure) for shelf in await _shelves(conn, view)]


async def _stock_percent(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    """Of the usual level; a SKU that was not watched for some days has none."""
    found = []
    for shelf in await _shelves(conn, view):
        usual = shelf.selling.usual_stock
        if usual and shelf.selling.measured_days >= _LEAST_DAYS:
            found.append(shelf.reading(100.0 * shelf.codes / usual, measure, usual=round(usual)))
    return found


async def _cover_days(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    """A SKU that never sold lasts for ever, even if there is nothing of it."""
    found = []
    for shelf in await _shelves(conn, view):
        if shelf.per_day > 0:
            found.append(shelf.reading(days_of_cover(shelf.codes, shelf.per_day), measure))
    return found


async def _expiring(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    rows = await conn.fetch(_EXPIRING, view.now, timedelta(days=measure.within_days))
    return [
        of_sku(
            row,
            row["codes"],
            {"title": row["title"], "within_days": measure.within_days, "first_at": moment(row["first_at"])},
        )
        for row in rows
    ]


STOCK: Mapping[Metric, Taker] = {
    Metric.STOCK: _stock,
    Metric.STOCK_PERCENT: _stock_percent,
    Metric.COVER_DAYS: _cover_days,
    Metric.EXPIRING: _expiring,
}
