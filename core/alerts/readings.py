"""Tells what is measured for alerts: each reading is a subject, a value, and the facts a message needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from core.alerts.restock import days_of_cover, restock
from core.alerts.rules import HOUSE, Fact, Measure, Metric, Reading, Subject
from core.db.pool import Connection, Record
from core.db.queries import load_queries
from core.money.money import Money
from core.offers.history.selling import Selling, read_lags, read_selling
from core.types import ChannelId, SkuId
from core.views.channel_figures import ChannelFigures, channel_figures

_SQL = load_queries("core.alerts", "readings.sql")
_STOCK = _SQL["stock"]
_EXPIRING = _SQL["expiring"]
_CHANNEL_NAMES = _SQL["channel_names"]
_DELIVERIES = _SQL["deliveries"]
_REFUSED = _SQL["refused"]
_OPEN_ORDERS = _SQL["open_orders"]
_IMBALANCE = _SQL["imbalance"]
_CHANNELS_DOWN = _SQL["channels_down"]
_PAYOUTS = _SQL["payouts"]
_DISCREPANCIES = _SQL["discrepancies"]
_SPLITS_OWED = _SQL["splits_owed"]
_SETTLEMENTS_WAITING = _SQL["settlements_waiting"]
_REWARDS_WARNED = _SQL["rewards_warned"]
_DRIFTS = _SQL["drifts"]
_PROVIDES = _SQL["provides"]
_GUARDS = _SQL["guards"]
_PRICES_HELD = _SQL["prices_held"]
_REFUNDS_OWED = _SQL["refunds_owed"]
_RATES = _SQL["rates"]
_DAY_SECONDS = 86_400.0
# Days of sales that a usual level must be made of before a share of it says anything.
_LEAST_DAYS = 3.0


@dataclass(frozen=True, slots=True)
class View:
    """From where it is measured: the moment, and the channels that should be driven."""

    now: datetime
    driven: Sequence[str] = ()
    # The SKUs as several metrics look at them: read by the first that asks.
    shelves: list[_Shelf] = field(default_factory=list, compare=False)


Taker = Callable[[Connection, Measure, View], Awaitable[list[Reading]]]


async def take_readings(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    """Measure one thing; all its subjects are among the readings, those that are well too."""
    return await _TAKERS[measure.metric](conn, measure, view)


@dataclass(frozen=True, slots=True)
class _Shelf:
    """A listed SKU with what is free of it, and how it sells."""

    row: Record
    selling: Selling
    codes: int

    @property
    def per_day(self) -> float:
        return self.selling.total() * _DAY_SECONDS

    def reading(self, value: float, measure: Measure, **more: Fact) -> Reading:
        """A reading about the SKU; with how many to order, where it sells."""
        facts: dict[str, Fact] = {
            "title": str(self.row["title"]),
            "codes": self.codes,
            "per_day": round(self.per_day, 2),
            "lead_time_days": measure.lead_time_days,
            "cover_days": measure.cover_days,
            "restock": restock(self.codes, self.per_day, measure.lead_time_days, measure.cover_days),
        }
        return _of_sku(self.row, value, {**facts, **more})


async def _shelves(conn: Connection, view: View) -> Sequence[_Shelf]:
    if not view.shelves:
        rows = await conn.fetch(_STOCK, view.now)
        selling = await read_selling(conn, [SkuId(row["sku_id"]) for row in rows], view.now)
        view.shelves.extend(_Shelf(row, selling[SkuId(row["sku_id"])], int(row["codes"])) for row in rows)
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
        _of_sku(
            row,
            row["codes"],
            {"title": row["title"], "within_days": measure.within_days, "first_at": _moment(row["first_at"])},
        )
        for row in rows
    ]


async def _publish_lag(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    names = {ChannelId(row["channel_id"]): str(row["name"]) for row in await conn.fetch(_CHANNEL_NAMES)}
    lags = await read_lags(conn)
    found = []
    for channel_id, name in names.items():
        lag = lags.get(channel_id)
        seconds = lag.quantile(measure.quantile) if lag else None
        if lag is not None and seconds is not None:
            facts = {"quantile": measure.quantile, "median_seconds": lag.quantile(0.5)}
            found.append(_of_channel(name, seconds, facts))
    return found


async def _drift(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    rows = await conn.fetch(_DRIFTS, view.now, measure.window)
    minutes = _minutes(measure.window)
    return [
        _of_channel(
            row["channel"],
            row["drifted"],
            {"asking": row["asking"], "last_ref": row["last_ref"], "window_minutes": minutes},
        )
        for row in rows
    ]


async def _delivery_failures(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    rows = await conn.fetch(_DELIVERIES, view.now, measure.window)
    return [_share(row["channel"], row["failures"], row["attempts"], measure) for row in rows]


async def _provide_failures(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    rows = await conn.fetch(_PROVIDES, view.now, measure.window)
    return [_share(row["channel"], row["failures"], row["attempts"], measure) for row in rows]


async def _guard_closed(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    return [
        _of_channel(row["channel"], row["closed"], {"why": row["why"]}) for row in await conn.fetch(_GUARDS)
    ]


async def _refused(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    rows = await conn.fetch(_REFUSED, view.now, measure.window)
    minutes = _minutes(measure.window)
    return [
        _of_channel(row["channel"], row["refused"], {"asked": row["asked"], "window_minutes": minutes})
        for row in rows
    ]


def _open_orders(count: str, first: str) -> Taker:
    """A taker for one of the ways in which open orders can be ill."""

    async def take(conn: Connection, measure: Measure, view: View) -> list[Reading]:
        rows = await conn.fetch(_OPEN_ORDERS, view.now, measure.after)
        minutes = _minutes(measure.after)
        return [
            _of_channel(row["channel"], row[count], {"first_ref": row[first], "after_minutes": minutes})
            for row in rows
        ]

    return take


async def _imbalance(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    row = await conn.fetchrow(_IMBALANCE)
    assert row is not None, "a count answers with a row"
    return [Reading(HOUSE, float(row["transactions"]), {"first_id": row["first_id"]})]


async def _refunds_owed(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    rows = await conn.fetch(_REFUNDS_OWED)
    return [_of_channel(row["channel"], row["owed"], _named(row, "first_ref", "first_at")) for row in rows]


async def _prices_held(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    rows = await conn.fetch(_PRICES_HELD)
    return [_of_channel(row["channel"], row["held"], {"first_at": _moment(row["first_at"])}) for row in rows]


async def _rate_age(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    return [
        Reading(
            Subject("pair", f"{row['base']}/{row['quote']}"),
            max(row["seconds"], 0.0),
            {"source": row["source"], "valid_at": _moment(row["valid_at"])},
        )
        for row in await conn.fetch(_RATES, view.now)
    ]


async def _channel_down(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    return [
        _of_channel(
            row["channel"],
            row["seconds"],
            {"part": row["subject"], "detail": row["detail"], "undriven": bool(row["undriven"])},
        )
        for row in await conn.fetch(_CHANNELS_DOWN, view.now, list(view.driven))
    ]


async def _payout_late(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    return [
        _of_channel(
            row["channel"],
            row["days"],
            {"last_paid_at": _moment(row["last_paid_at"]), "first_owed_at": _moment(row["first_owed_at"])},
        )
        for row in await conn.fetch(_PAYOUTS, view.now)
    ]


async def _discrepancies(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    return [
        _of_channel(row["channel"], row["open"], {"first_at": _moment(row["first_at"])})
        for row in await conn.fetch(_DISCREPANCIES, view.now, measure.after)
    ]


async def _splits_owed(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    """Delivered orders whose money waits for a plan or a fact; how long the oldest does."""
    rows = await conn.fetch(_SPLITS_OWED, view.now, measure.after)
    told = ("first_ref", "first_at", "oldest_seconds", "why")
    return [_of_channel(row["channel"], row["owed"], _named(row, *told)) for row in rows]


async def _settlements_waiting(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    row = await conn.fetchrow(_SETTLEMENTS_WAITING, view.now, measure.after)
    assert row is not None, "a count answers with a row"
    return [Reading(HOUSE, float(row["waiting"]), _named(row, "first_id", "first_at"))]


async def _rewards_warned(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    row = await conn.fetchrow(_REWARDS_WARNED, view.now, measure.window)
    assert row is not None, "a count answers with a row"
    facts = {"why": row["why"], "window_minutes": _minutes(measure.window)}
    return [Reading(HOUSE, float(row["warned"]), facts)]


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
        found.append(_of_channel(figures.channel, (figures.cost_percent or 0.0) if enough else 0.0, facts))
    return _worst(found)


async def _stock_turnover(conn: Connection, measure: Measure, view: View) -> list[Reading]:
    """A channel whose stock was watched too shortly is left out; so is one that keeps hardly any."""
    found = []
    for figures in await _figures(conn, measure, view):
        stock = figures.stock_units or 0.0
        if figures.turnover_per_year is not None and stock >= max(measure.at_least, 1):
            facts: dict[str, Fact] = {"sold": round(figures.sold_units), "stock": round(stock)}
            facts["days"] = figures.days
            found.append(_of_channel(figures.channel, figures.turnover_per_year, facts))
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
        found.append(_of_channel(figures.channel, value, facts))
    return _worst(found)


def _worst(readings: Sequence[Reading]) -> list[Reading]:
    """A channel of several currencies is told of once, by its worst."""
    ranked = sorted(readings, key=lambda reading: reading.value)
    return list({reading.subject: reading for reading in ranked}.values())


_TAKERS: Mapping[Metric, Taker] = {
    Metric.STOCK: _stock,
    Metric.STOCK_PERCENT: _stock_percent,
    Metric.COVER_DAYS: _cover_days,
    Metric.EXPIRING: _expiring,
    Metric.PUBLISH_LAG_SECONDS: _publish_lag,
    Metric.DRIFT: _drift,
    Metric.DELIVERY_FAILURE_PERCENT: _delivery_failures,
    Metric.PROVIDE_FAILURE_PERCENT: _provide_failures,
    Metric.GUARD_CLOSED: _guard_closed,
    Metric.ORDERS_STUCK: _open_orders("stuck", "first_stuck"),
    Metric.ORDERS_HELD: _open_orders("held", "first_held"),
    Metric.OVERSELL: _open_orders("without_codes", "first_without_codes"),
    Metric.RESERVATIONS_REFUSED: _refused,
    Metric.LEDGER_IMBALANCE: _imbalance,
    Metric.PRICES_HELD: _prices_held,
    Metric.REFUNDS_OWED: _refunds_owed,
    Metric.RATE_AGE_SECONDS: _rate_age,
    Metric.CHANNEL_DOWN_SECONDS: _channel_down,
    Metric.PAYOUT_LATE_DAYS: _payout_late,
    Metric.DISCREPANCIES: _discrepancies,
    Metric.COST_PERCENT: _cost_percent,
    Metric.STOCK_TURNOVER: _stock_turnover,
    Metric.COMPLAINT_PERCENT: _complaints,
    Metric.SPLITS_OWED: _splits_owed,
    Metric.SETTLEMENTS_WAITING: _settlements_waiting,
    Metric.REWARDS_WARNED: _rewards_warned,
}

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
}


def _of_sku(row: Record, value: float, facts: Mapping[str, Fact]) -> Reading:
    return Reading(
        Subject("sku", row["sku_ref"]),
        float(value),
        facts,
        frozenset(row["channels"]),
        frozenset(row["tags"]),
    )


def _of_channel(name: str, value: float, facts: Mapping[str, Fact]) -> Reading:
    return Reading(Subject("channel", name), float(value), facts, frozenset({name}))


def _named(row: Record, *names: str) -> dict[str, Fact]:
    """Columns of a row as facts; moments are told as text."""
    return {name: _moment(row[name]) if name.endswith("_at") else row[name] for name in names}


def _share(name: str, part: int, whole: int, measure: Measure) -> Reading:
    """A share in per cent; of too few it says nothing, which is well."""
    value = 100.0 * part / whole if whole >= max(measure.at_least, 1) else 0.0
    facts = {"failures": part, "attempts": whole, "window_minutes": _minutes(measure.window)}
    return _of_channel(name, value, facts)


def _minutes(span: timedelta) -> int:
    return round(span.total_seconds() / 60)


def _moment(at: datetime | None) -> str | None:
    return at.isoformat(timespec="minutes") if at else None
