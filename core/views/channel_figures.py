"""Tells what each channel costs and brings: cost ratio, turnover of its stock, complaints, proceeds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from core.db.pool import Connection
from core.db.queries import load_queries

_FIGURES = load_queries("core.views", "channel_figures.sql")["channel_figures"]
_YEAR_DAYS = 365.0
# Days of looks at the stock, and of sales, before a year can be told from them.
_LEAST_DAYS = 7


@dataclass(frozen=True, slots=True)
class ChannelFigures:
    """A channel over some days, once for each currency.

    Turnover is the gross price of sales less refunds; fees are everything the channel charged. Deliveries
    and refunds are lines, replacements codes. None: too little is known to say.
    """

    channel: str
    currency: str
    days: int
    turnover_minor: int
    fees_minor: int
    proceeds_minor: int
    cost_percent: float | None
    deliveries: int
    refunds: int
    replacements: int
    complaint_percent: float | None
    sold_units: float
    stock_units: float | None
    turnover_per_year: float | None


async def channel_figures(conn: Connection, now: datetime, days: int) -> tuple[ChannelFigures, ...]:
    """All channels side by side, by name. Reads the journal of those days: not for every second."""
    rows = await conn.fetch(_FIGURES, now, now - timedelta(days=days))
    return tuple(
        ChannelFigures(
            channel=row["channel"],
            currency=row["currency"],
            days=days,
            turnover_minor=int(row["turnover_minor"]),
            fees_minor=int(row["fees_minor"]),
            proceeds_minor=int(row["turnover_minor"]) - int(row["fees_minor"]),
            cost_percent=_percent(row["fees_minor"], row["turnover_minor"]),
            deliveries=int(row["deliveries"]),
            refunds=int(row["refunds"]),
            replacements=int(row["replacements"]),
            complaint_percent=_percent(row["refunds"] + row["replacements"], row["deliveries"]),
            sold_units=row["sold_units"],
            stock_units=row["stock_units"],
            turnover_per_year=_per_year(
                row["sold_units"], row["stock_units"], min(days, int(row["stock_days"]))
            ),
        )
        for row in rows
    )


def _percent(part: int, whole: int) -> float | None:
    return 100.0 * part / whole if whole > 0 else None


def _per_year(sold_units: float, stock_units: float | None, days: int) -> float | None:
    """How often the stock is sold in a year, at the pace of these days."""
    if not stock_units or days < _LEAST_DAYS:
        return None
    return sold_units * _YEAR_DAYS / days / stock_units
