"""Tells what channels were seen to show otherwise than told, what was done, and what waits for a person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from core.db.pool import Connection
from core.db.queries import load_queries

_SQL = load_queries("core.views", "drift.sql")
_DRIFTS = _SQL["drifts"]
_ADOPTED = _SQL["adopted"]


@dataclass(frozen=True, slots=True)
class DriftView:
    """One thing that differed. `waits`: a person has to decide; `times`: how often it was seen meanwhile."""

    drift_id: int
    channel: str
    currency: str
    listing_ref: str
    sku_ref: str | None
    what: str
    kind: str
    action: str
    waits: bool
    why: str
    published: str
    observed: str
    times: int
    seen_at: datetime
    last_seen_at: datetime
    decision: str | None
    decided_at: datetime | None
    decided_by: str | None
    decided_why: str | None


@dataclass(frozen=True, slots=True)
class AdoptedView:
    """What a listing shows because it was found so; the amount is units, or minor units for a price."""

    channel: str
    currency: str
    listing_ref: str
    sku_ref: str
    what: str
    amount: int
    net_minor: int | None
    actor: str
    reason: str
    adopted_at: datetime


async def drifts(
    conn: Connection, *, channel: str | None, only_waiting: bool, limit: int
) -> tuple[DriftView, ...]:
    """What differed, questions first."""
    rows = await conn.fetch(_DRIFTS, channel, only_waiting, limit)
    return tuple(DriftView(**dict(row)) for row in rows)


async def adopted(conn: Connection, *, channel: str | None, limit: int) -> tuple[AdoptedView, ...]:
    """What is kept as it was found."""
    return tuple(AdoptedView(**dict(row)) for row in await conn.fetch(_ADOPTED, channel, limit))
