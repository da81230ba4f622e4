"""Decides from where things are measured, and how what was found becomes readings. Pure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from core.alerts.rules import Fact, Measure, Reading, Subject
from core.db.pool import Connection, Record
from core.offers.history.restock import restock
from core.offers.history.selling import Selling

_DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class View:
    """From where it is measured: the moment, and the channels that should be driven."""

    now: datetime
    driven: Sequence[str] = ()
    # The SKUs as several metrics look at them: read by the first that asks.
    shelves: list[Shelf] = field(default_factory=list, compare=False)


@dataclass(frozen=True, slots=True)
class Shelf:
    """A listed SKU with what is free of it, and how it sells."""

    row: Record
    selling: Selling
    codes: int

    @property
    def per_day(self) -> float:
        """Codes that sell in a day, over all channels."""
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
        return of_sku(self.row, value, {**facts, **more})


Taker = Callable[[Connection, Measure, View], Awaitable[list[Reading]]]


def of_sku(row: Record, value: float, facts: Mapping[str, Fact]) -> Reading:
    """A reading about a SKU, by a row that tells its channels and tags as well."""
    return Reading(
        Subject("sku", row["sku_ref"]),
        float(value),
        facts,
        frozenset(row["channels"]),
        frozenset(row["tags"]),
    )


def of_channel(name: str, value: float, facts: Mapping[str, Fact]) -> Reading:
    """A reading about a channel."""
    return Reading(Subject("channel", name), float(value), facts, frozenset({name}))


def named(row: Record, *names: str) -> dict[str, Fact]:
    """Columns of a row as facts; moments are told as text."""
    return {name: moment(row[name]) if name.endswith("_at") else row[name] for name in names}


def share(name: str, part: int, whole: int, measure: Measure) -> Reading:
    """A share in per cent; of too few it says nothing, which is well."""
    value = 100.0 * part / whole if whole >= max(measure.at_least, 1) else 0.0
    facts = {"failures": part, "attempts": whole, "window_minutes": minutes(measure.window)}
    return of_channel(name, value, facts)


def minutes(span: timedelta) -> int:
    return round(span.total_seconds() / 60)


def moment(at: datetime | None) -> str | None:
    return at.isoformat(timespec="minutes") if at else None
