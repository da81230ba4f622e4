"""Decides which segments a buyer belongs to: conditions over what was bought, and lists that people keep."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydantic import TypeAdapter

from core.buyers.buyers import Buyer
from core.buyers.referrals import Asked
from core.db.pool import Connection
from core.db.queries import load_queries
from core.money.money import Money
from core.types import BuyerId

_SQL = load_queries("core.buyers", "segments.sql")
_FACTS_OF_BUYERS = _SQL["facts_of_buyers"]
_TURNOVERS = _SQL["turnovers"]
_SEGMENTS = _SQL["segments"]
_PUBLISH_SEGMENTS = _SQL["publish_segments"]
_PEOPLE_AFTER = _SQL["people_after"]
_SET_LISTED = _SQL["set_listed"]
_LISTS = _SQL["lists"]
_PEOPLE_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Segment:
    """Who belongs to it: whoever meets all that is said. What is left out, None or empty, asks nothing.

    Ages are days since the first or last order. `turnover_minor` is what was spent in `currency` within
    `turnover_days`, from there on.
    """

    name: str
    orders_from: int | None = None
    orders_to: int | None = None
    turnover_minor: int | None = None
    currency: str | None = None
    turnover_days: int = 365
    first_order_from_days: int | None = None
    first_order_to_days: int | None = None
    last_order_from_days: int | None = None
    last_order_to_days: int | None = None
    channels: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    unless_lists: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BuyerFacts:
    """What is known of a person before a moment; turnover by days looked back and currency."""

    at: datetime
    orders: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    channels: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    lists: frozenset[str] = frozenset()
    turnover_minor: Mapping[tuple[int, str], int] = field(default_factory=dict)


_SEGMENT = TypeAdapter(Segment)


def outside(segment: Segment, facts: BuyerFacts) -> str | None:
    """Why a buyer does not belong to a segment; None where he does. Pure."""
    return next(_reasons(segment, facts), None)


def _reasons(segment: Segment, facts: BuyerFacts) -> Iterator[str]:
    yield from _beyond("orders", facts.orders, segment.orders_from, segment.orders_to)
    if segment.turnover_minor is not None and segment.currency is not None:
        spent_minor = facts.turnover_minor.get((segment.turnover_days, segment.currency), 0)
        if spent_minor < segment.turnover_minor:
            spent, wanted = (
                Money(minor, segment.currency) for minor in (spent_minor, segment.turnover_minor)
            )
            yield f"spent {spent} in {segment.turnover_days} days, not {wanted}"
    first, last = _age_days(facts.at, facts.first_at), _age_days(facts.at, facts.last_at)
    yield from _aged("first", first, segment.first_order_from_days, segment.first_order_to_days)
    yield from _aged("last", last, segment.last_order_from_days, segment.last_order_to_days)
    for what, wanted_names, found in (
        ("bought on", segment.channels, facts.channels),
        ("bought of tag", segment.tags, facts.tags),
        ("on list", segment.lists, facts.lists),
    ):
        if wanted_names and not found.intersection(wanted_names):
            yield f"{what} {', '.join(sorted(found)) or 'none'}, not {' or '.join(wanted_names)}"
    if unwanted := facts.lists.intersection(segment.unless_lists):
        yield f"is on list {', '.join(sorted(unwanted))}"


def _beyond(what: str, found: int, low: int | None, high: int | None) -> Iterator[str]:
    if low is not None and found < low:
        yield f"{what}: {found}, fewer than {low}"
    if high is not None and found > high:
        yield f"{what}: {found}, more than {high}"


def _aged(which: str, days: int | None, low: int | None, high: int | None) -> Iterator[str]:
    if low is None and high is None:
        return
    if days is None:
        yield "never bought"
    else:
        yield from _beyond(f"days since the {which} order", days, low, high)


def _age_days(at: datetime, moment: datetime | None) -> int | None:
    return None if moment is None else (at - moment) // timedelta(days=1)


async def segments_at(conn: Connection, asked: Collection[Asked]) -> dict[Asked, frozenset[str]]:
    """The names of the segments that each buyer belongs to at a moment, by the segments as they are now."""
    segments = await read_segments(conn) if asked else ()
    if not segments:
        return dict.fromkeys(asked, frozenset())
    facts = await buyer_facts(conn, asked, segments)
    return {
        each: frozenset(segment.name for segment in segments if outside(segment, known) is None)
        for each, known in facts.items()
    }


async def buyer_facts(
    conn: Connection, asked: Collection[Asked], segments: Sequence[Segment]
) -> dict[Asked, BuyerFacts]:
    """What segments look at; turnover only where one of them asks for it."""
    each = list(dict.fromkeys(asked))
    columns = ([one.buyer_id for one in each], [one.at for one in each])
    windows = sorted({s.turnover_days for s in segments if s.turnover_minor is not None})
    spent: dict[Asked, dict[tuple[int, str], int]] = {}
    for row in await conn.fetch(_TURNOVERS, *columns, windows) if windows else ():
        mine = spent.setdefault(Asked(BuyerId(row["buyer_id"]), row["at"]), {})
        mine[int(row["days"]), str(row["currency"])] = int(row["turnover_minor"])
    found = {}
    for row in await conn.fetch(_FACTS_OF_BUYERS, *columns):
        key = Asked(BuyerId(row["buyer_id"]), row["at"])
        found[key] = BuyerFacts(
            at=row["at"],
            orders=int(row["orders"]),
            first_at=row["first_at"],
            last_at=row["last_at"],
            channels=frozenset(row["channels"]),
            tags=frozenset(row["tags"]),
            lists=frozenset(row["lists"]),
            turnover_minor=spent.get(key, {}),
        )
    return found


async def read_segments(conn: Connection) -> tuple[Segment, ...]:
    """The segments there are, as they were last published."""
    rows = await conn.fetch(_SEGMENTS)
    return tuple(_SEGMENT.validate_json(json.dumps(row["rules"])) for row in rows if row["rules"] is not None)


async def publish_segments(conn: Connection, segments: Sequence[Segment], now: datetime) -> None:
    """Make these the segments there are, for every daemon; nothing is written where nothing changed."""
    rules = [json.loads(_SEGMENT.dump_json(segment)) for segment in segments]
    await conn.execute(_PUBLISH_SEGMENTS, [segment.name for segment in segments], rules, now)


async def members(
    conn: Connection, segments: Sequence[Segment], at: datetime
) -> AsyncIterator[tuple[Buyer, BuyerFacts, frozenset[str]]]:
    """Everybody, with what is known of him and which of these segments he belongs to; some at a time."""
    last = 0
    while people := await conn.fetch(_PEOPLE_AFTER, last, _PEOPLE_AT_ONCE):
        last = int(people[-1]["buyer_id"])
        asked = {Asked(BuyerId(row["buyer_id"]), at): str(row["name"]) for row in people}
        for key, facts in (await buyer_facts(conn, list(asked), segments)).items():
            names = frozenset(segment.name for segment in segments if outside(segment, facts) is None)
            yield Buyer(key.buyer_id, asked[key]), facts, names


async def set_listed(
    conn: Connection,
    name: str,
    buyer_ids: Sequence[BuyerId],
    now: datetime,
    *,
    actor: str,
    listed: bool = True,
) -> int:
    """Put buyers on a list, or take them off it; how many were not already so."""
    wanted = list(dict.fromkeys(buyer_ids))
    return len(await conn.fetch(_SET_LISTED, name, wanted, listed, now, actor))


async def lists(conn: Connection) -> dict[str, int]:
    """The lists there are, and how many buyers stand on each."""
    return {str(row["list"]): int(row["buyers"]) for row in await conn.fetch(_LISTS)}
