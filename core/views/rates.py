"""Tells the exchange rates that prices are made with: source, moment, age, and how fetching goes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.db.pool import Connection
from core.money.conversion import Conversion
from core.money.rates import RateHealth, latest_rates, rate_health

_DECIMALS = 12
_HOUR_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class RateRow:
    """A rate as it is shown: one `base` is so many `quote`; too old: no price is made with it."""

    base: str
    quote: str
    rate: str
    source: str
    at: datetime
    age_hours: float
    too_old: bool
    entered_by: str | None = None


@dataclass(frozen=True, slots=True)
class RatesShown:
    """The latest rates, and how fetching goes."""

    rates: list[RateRow]
    sources: list[RateHealth]


async def shown_rates(conn: Connection, max_age: timedelta, now: datetime) -> RatesShown:
    """The latest rate of every pair that was ever told."""
    return RatesShown(rate_rows(await latest_rates(conn, now), max_age, now), await rate_health(conn))


def rate_rows(
    told: Iterable[tuple[Conversion, str | None]], max_age: timedelta, now: datetime
) -> list[RateRow]:
    """Rates with who entered them, as they are shown. Pure."""
    return [
        RateRow(
            base=each.base,
            quote=each.quote,
            rate=decimal_text(each),
            source=each.source,
            at=each.at,
            age_hours=round((now - each.at).total_seconds() / _HOUR_SECONDS, 2),
            too_old=now - each.at > max_age,
            entered_by=entered_by,
        )
        for each, entered_by in told
    ]


def decimal_text(told: Conversion) -> str:
    """A rate as a decimal number, cut after twelve decimals, trailing zeros left out."""
    scaled = told.numerator * 10**_DECIMALS // told.denominator
    whole, rest = divmod(scaled, 10**_DECIMALS)
    return f"{whole}.{rest:0{_DECIMALS}d}".rstrip("0").rstrip(".")
