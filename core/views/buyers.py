"""Tells what is known of a buyer: names, who brought him, whom he brought, segments, balances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from core.buyers.buyers import Buyer
from core.buyers.people import Join, Name, joins_of, names_of, person_of
from core.buyers.referrals import Asked, in_own_ring, referrers_of
from core.buyers.segments import buyer_facts, outside, read_segments
from core.db.pool import Connection
from core.db.queries import load_queries
from core.views.ledger import Balance

_SQL = load_queries("core.views", "buyers.sql")
_BALANCES_OF_NAMES = _SQL["balances_of_names"]
_COUNT_MARKS = _SQL["count_marks"]
_REFERRALS = load_queries("core.buyers", "referrals.sql")
_BROUGHT_BY = _REFERRALS["brought_by"]
_HISTORY = _REFERRALS["history"]
_REFUSALS = _REFERRALS["refusals"]
_ROWS_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Brought:
    """Somebody whom a person has brought, and since when."""

    name: str
    since: datetime


@dataclass(frozen=True, slots=True)
class ReferralRow:
    """What was told of who brought him; nobody: it ended what stood before."""

    buyer: str
    referrer: str | None
    since: datetime
    holds_until: datetime | None
    source: str
    actor: str
    told_at: datetime


@dataclass(frozen=True, slots=True)
class RefusalRow:
    """What was told and not taken, and why."""

    buyer: str
    referrer: str
    reason: str
    source: str
    actor: str
    told_at: datetime


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """Whether a buyer belongs to a segment, and why not."""

    segment: str
    belongs: bool
    why_not: str | None


@dataclass(frozen=True, slots=True)
class BuyerShown:
    """A person: `referrers` are level 1 and 2, `rings` says which of them get nothing of what he buys.

    Marks are counted by kind, and shown nowhere. Balances are by name: those of joined names stay theirs.
    """

    name: str
    names: tuple[Name, ...]
    joins: tuple[Join, ...]
    referrers: tuple[str, ...]
    rings: tuple[str, ...]
    referrals: tuple[ReferralRow, ...]
    refusals: tuple[RefusalRow, ...]
    brought: tuple[Brought, ...]
    orders: int
    first_at: datetime | None
    last_at: datetime | None
    channels: tuple[str, ...]
    tags: tuple[str, ...]
    lists: tuple[str, ...]
    segments: tuple[SegmentRow, ...]
    marks: Mapping[str, int]
    balances: tuple[Balance, ...]


async def show_buyer(conn: Connection, buyer: Buyer, now: datetime) -> BuyerShown:
    """What is known of the person behind a name, at this moment."""
    person = await person_of(conn, buyer)
    names = await names_of(conn, person)
    referrers = (await referrers_of(conn, [person.buyer_id], now))[person.buyer_id]
    rings = [await in_own_ring(conn, person, name, now) for name in referrers]
    segments = await read_segments(conn)
    asked = Asked(person.buyer_id, now)
    facts = (await buyer_facts(conn, [asked], segments))[asked]
    reasons = {segment.name: outside(segment, facts) for segment in segments}
    history = await conn.fetch(_HISTORY, person.buyer_id, _ROWS_SHOWN)
    refusals = await conn.fetch(_REFUSALS, person.buyer_id, _ROWS_SHOWN)
    brought = await conn.fetch(_BROUGHT_BY, person.buyer_id, now, _ROWS_SHOWN)
    marks = await conn.fetch(_COUNT_MARKS, person.buyer_id)
    balances = await conn.fetch(_BALANCES_OF_NAMES, [name.name for name in names])
    return BuyerShown(
        name=person.name,
        names=names,
        joins=await joins_of(conn, person),
        referrers=referrers,
        rings=tuple(why for why in rings if why is not None),
        referrals=tuple(ReferralRow(**dict(row)) for row in history),
        refusals=tuple(RefusalRow(**dict(row)) for row in refusals),
        brought=tuple(Brought(**dict(row)) for row in brought),
        orders=facts.orders,
        first_at=facts.first_at,
        last_at=facts.last_at,
        channels=tuple(sorted(facts.channels)),
        tags=tuple(sorted(facts.tags)),
        lists=tuple(sorted(facts.lists)),
        segments=tuple(SegmentRow(name, why is None, why) for name, why in reasons.items()),
        marks={str(row["kind"]): int(row["marks"]) for row in marks},
        balances=tuple(Balance(**dict(row)) for row in balances),
    )
