"""Tells what is stopped and by whom, what the guard has closed and why, and how near each line is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from core.db.pool import Connection
from core.db.queries import load_queries
from core.offers.closures.guard import part_of_line
from core.offers.closures.guarding import line_name, read_tallies
from core.offers.closures.switches import Switch
from core.offers.terms import ChannelTerms

_SQL = load_queries("core.views", "guard.sql")
_STOPPED = _SQL["stopped"]
_SWITCH_EVENTS = _SQL["switch_events"]
_TRIPS = _SQL["trips"]
_REACH = _SQL["reach"]


@dataclass(frozen=True, slots=True)
class StoppedView:
    """A switch that is on. The scope is everything, channel or sku; everything has no name."""

    scope: str
    name: str
    actor: str
    reason: str
    stopped_at: datetime


@dataclass(frozen=True, slots=True)
class Reach:
    """Whether what a switch names is there, and how many listings, on sale and not, it has."""

    known: bool
    stopped: bool
    listings: int
    on_sale: int
    channels: int


@dataclass(frozen=True, slots=True)
class SwitchEvent:
    """A switch that was turned."""

    event_id: int
    scope: str
    name: str
    stopped: bool
    actor: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class TripView:
    """Offers that the guard closed: a listing, or without one the whole channel."""

    trip_id: int
    channel: str
    listing_ref: str | None
    sku_ref: str | None
    line: str
    why: str
    closed_at: datetime
    opened_at: datetime | None
    opened_by: str | None
    opened_why: str | None


@dataclass(frozen=True, slots=True)
class LineReading:
    """How much of a line a channel's own sum has used up: 1.0 is where it acts. The worst listing counts."""

    channel: str
    line: str
    used: float
    failed: int
    completed: int


async def reach_of(conn: Connection, switch: Switch) -> Reach:
    """How much a switch would take off sale, or lets sell again."""
    row = await conn.fetchrow(_REACH, switch.scope.value, switch.name)
    assert row is not None, "the statement answers with one row"
    return Reach(**dict(row))


async def stopped(conn: Connection) -> tuple[StoppedView, ...]:
    """The switches that are on."""
    return tuple(StoppedView(**dict(row)) for row in await conn.fetch(_STOPPED))


async def switch_events(conn: Connection, limit: int) -> tuple[SwitchEvent, ...]:
    """Who turned what, the latest first."""
    return tuple(SwitchEvent(**dict(row)) for row in await conn.fetch(_SWITCH_EVENTS, limit))


async def trips(conn: Connection, *, only_closed: bool, limit: int) -> tuple[TripView, ...]:
    """What the guard closed: what is closed now, and unless only that, what was."""
    return tuple(TripView(**dict(row)) for row in await conn.fetch(_TRIPS, only_closed, limit))


async def line_readings(
    conn: Connection, terms: Iterable[ChannelTerms], now: datetime
) -> tuple[LineReading, ...]:
    """How near each guarded channel is to each of its lines; for alerts and pages."""
    readings = []
    for each in terms:
        for line in each.guard.lines:
            found = [
                (part_of_line(line, tally), tally)
                for over in line.over
                for tally in (await read_tallies(conn, each.channel_id, line, over, now)).values()
            ]
            used, failed, completed = 0.0, 0, 0
            if found:
                used, worst = max(found, key=lambda pair: (pair[0], pair[1].failed))
                failed, completed = worst.failed, worst.completed
            readings.append(LineReading(each.name, line_name(line), used, failed, completed))
    return tuple(readings)
