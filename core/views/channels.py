"""Tells how each channel is doing: who drives it, what it said last, and what is still to be done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from core.db.pool import Connection
from core.db.queries import load_queries
from core.errors import UnknownChannel

_SQL = load_queries("core.views", "channels.sql")
_CHANNELS = _SQL["channels"]
_HEALTH = _SQL["health"]
_CURSORS = _SQL["cursors"]


@dataclass(frozen=True, slots=True)
class HealthView:
    """How one subject (push, pull, deliver ...) of a channel is."""

    subject: str
    ok: bool
    detail: str
    changed_at: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class CursorView:
    """When a channel was last read on a subject."""

    subject: str
    moved_at: datetime


@dataclass(frozen=True, slots=True)
class ChannelView:
    """A channel. `driven_by` is the daemon that holds its lease now; None: nobody does."""

    name: str
    connector: str
    currency: str
    paused_at: datetime | None
    paused_reason: str | None
    driven_by: str | None
    lease_until: datetime | None
    open_orders: int
    oldest_due_at: datetime | None
    listings: int
    dirty: int
    refused: int
    drifts: int
    last_published_at: datetime | None
    last_observed_at: datetime | None
    health: tuple[HealthView, ...]
    cursors: tuple[CursorView, ...]


async def channels(conn: Connection, now: datetime) -> tuple[ChannelView, ...]:
    """All channels by name."""
    health: dict[str, list[HealthView]] = {}
    for row in await conn.fetch(_HEALTH):
        values = dict(row)
        health.setdefault(values.pop("name"), []).append(HealthView(**values))
    cursors: dict[str, list[CursorView]] = {}
    for row in await conn.fetch(_CURSORS):
        cursors.setdefault(row["name"], []).append(CursorView(row["subject"], row["moved_at"]))
    return tuple(
        ChannelView(
            **dict(row),
            health=tuple(health.get(row["name"], ())),
            cursors=tuple(cursors.get(row["name"], ())),
        )
        for row in await conn.fetch(_CHANNELS, now)
    )


async def channel(conn: Connection, now: datetime, name: str) -> ChannelView:
    """One channel; UnknownChannel if there is none of that name."""
    for view in await channels(conn, now):
        if view.name == name:
            return view
    raise UnknownChannel(f"channel {name!r} is not known; `GET /api/v1/channels` names those that are")
