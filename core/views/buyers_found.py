"""Tells which buyers there are: found by name, by segment and list, and in whose rings nobody is paid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from core.buyers.buyers import Buyer
from core.buyers.referrals import Asked
from core.buyers.segments import Segment, buyer_facts, lists, members, outside, read_segments
from core.db.pool import Connection
from core.db.queries import load_queries
from core.types import BuyerId
from core.views.buyers import RefusalRow
from core.views.orders import OrderSummary, summaries

_SQL = load_queries("core.views", "buyers_found.sql")
_FOUND = _SQL["found"]
_REFUSED_RINGS = _SQL["refused_rings"]
_REFUSED_REFERRALS = _SQL["refused_referrals"]
_ORDER_IDS = _SQL["order_ids"]
_REFUSALS_LOOKED_AT = 1000


@dataclass(frozen=True, slots=True)
class BuyerFound:
    """A name, the person it stands for, and what that person bought; `segments` are those he belongs to."""

    name: str
    person: str
    known_since: datetime
    orders: int
    last_at: datetime | None
    segments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RingFound:
    """A reward that was not given, since a referrer would have been paid for himself."""

    campaign: str
    order_id: int
    order_ref: str
    channel: str
    buyer: str | None
    reason: str
    refused_at: datetime


@dataclass(frozen=True, slots=True)
class Suspicions:
    """Rings that rewards ran into, and referrals that were not taken; the latest first."""

    rings: tuple[RingFound, ...]
    referrals: tuple[RefusalRow, ...]


@dataclass(frozen=True, slots=True)
class SegmentCounts:
    """How many people belong to each segment, of `people` looked at; `all` of them, or only the first."""

    segments: Mapping[str, int]
    people: int
    all: bool


async def find_buyers(
    conn: Connection, now: datetime, text: str | None = None, limit: int = 50
) -> tuple[BuyerFound, ...]:
    """Buyers whose names hold a text, or the newest; what they bought is their person's, of all names."""
    rows = await conn.fetch(_FOUND, text, limit)
    segments = await read_segments(conn)
    asked = {int(row["person_id"]): Asked(BuyerId(row["person_id"]), now) for row in rows}
    facts = await buyer_facts(conn, list(asked.values()), segments)
    found = []
    for row in rows:
        known = facts[asked[int(row["person_id"])]]
        belongs = tuple(segment.name for segment in segments if outside(segment, known) is None)
        bought = known.orders, known.last_at
        found.append(BuyerFound(row["name"], row["person"], row["known_since"], *bought, belongs))
    return tuple(found)


async def suspicions(conn: Connection, limit: int = 20) -> Suspicions:
    """What was found lately, of all buyers."""
    rings = await conn.fetch(_REFUSED_RINGS, _REFUSALS_LOOKED_AT, limit)
    referrals = await conn.fetch(_REFUSED_REFERRALS, limit)
    return Suspicions(
        tuple(RingFound(**dict(row)) for row in rings),
        tuple(RefusalRow(**dict(row)) for row in referrals),
    )


async def known_segments(conn: Connection) -> tuple[tuple[Segment, ...], Mapping[str, int]]:
    """The segments there are with what each asks; and the lists that people keep, with their buyers."""
    return await read_segments(conn), await lists(conn)


async def count_segments(conn: Connection, now: datetime, most: int = 20_000) -> SegmentCounts:
    """Who belongs where today. It looks at every person one after the other, but at no more than `most`."""
    segments = await read_segments(conn)
    counted, people = Counter({segment.name: 0 for segment in segments}), 0
    async for _, _, names in members(conn, segments, now):
        if people == most:
            return SegmentCounts(counted, people, all=False)
        counted.update(names)
        people += 1
    return SegmentCounts(counted, people, all=True)


async def orders_of_buyer(conn: Connection, buyer: Buyer, limit: int = 20) -> tuple[OrderSummary, ...]:
    """The newest orders of the person behind a name."""
    rows = await conn.fetch(_ORDER_IDS, buyer.buyer_id, limit)
    return await summaries(conn, [row["order_id"] for row in rows])
