"""Makes several names one person, and parts them again; history and accounts keep their names."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from core.audit import note
from core.buyers.buyers import Buyer
from core.db.pool import Connection
from core.db.queries import load_queries
from core.errors import InvalidInput
from core.types import BuyerId

_SQL = load_queries("core.buyers", "buyers.sql")
_LOCK_JOINS = _SQL["lock_joins"]
_PERSON = _SQL["person"]
_NAMES = _SQL["names"]
_ADD_JOIN = _SQL["add_join"]
_JOINS = _SQL["joins"]


@dataclass(frozen=True, slots=True)
class Name:
    """One name of a person, and what channels call him by it."""

    buyer_id: BuyerId
    name: str
    known_since: datetime
    handles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Join:
    """That somebody was joined with another, or parted again (into nobody)."""

    buyer: str
    into_name: str | None
    since: datetime
    actor: str
    reason: str


async def person_of(conn: Connection, buyer: Buyer) -> Buyer:
    """The name under which a buyer is known: his own, or that of whom he was joined with."""
    row = await conn.fetchrow(_PERSON, buyer.buyer_id)
    assert row is not None, f"buyer {buyer.name} is gone"
    return Buyer(BuyerId(row["buyer_id"]), row["name"])


async def names_of(conn: Connection, buyer: Buyer) -> tuple[Name, ...]:
    """All names of a person, the one he is known by first."""
    return tuple(
        Name(BuyerId(row["buyer_id"]), row["name"], row["known_since"], tuple(row["handles"]))
        for row in await conn.fetch(_NAMES, buyer.buyer_id)
    )


async def joins_of(conn: Connection, buyer: Buyer, limit: int = 100) -> tuple[Join, ...]:
    """What was joined and parted of a person's names, the latest first."""
    ids = [name.buyer_id for name in await names_of(conn, buyer)]
    return tuple(Join(**dict(row)) for row in await conn.fetch(_JOINS, ids, limit))


async def join(
    conn: Connection, one: Buyer, other: Buyer, *, actor: str, reason: str, now: datetime
) -> Buyer:
    """From now on the second is known as the first, in the caller's transaction; the person they are.

    What stands on the second's accounts stays there and is listed with the first's.
    """
    await conn.execute(_LOCK_JOINS)
    person, joined = await person_of(conn, one), await person_of(conn, other)
    if person == joined:
        raise InvalidInput(f"{one.name} and {other.name} are one person already, known as {person.name}")
    await conn.execute(_ADD_JOIN, joined.buyer_id, person.buyer_id, now, actor, reason)
    subject = f"{joined.name} into {person.name}"
    await note(conn, at=now, actor=actor, action="buyer.join", subject=subject, reason=reason)
    return person


async def part(conn: Connection, buyer: Buyer, *, actor: str, reason: str, now: datetime) -> None:
    """A name that was joined with another stands for itself again, with all that was joined into it."""
    await conn.execute(_LOCK_JOINS)
    person = await person_of(conn, buyer)
    if person == buyer:
        raise InvalidInput(f"{buyer.name} is not joined into anybody: nothing is to be parted")
    await conn.execute(_ADD_JOIN, buyer.buyer_id, None, now, actor, reason)
    subject = f"{buyer.name} from {person.name}"
    await note(conn, at=now, actor=actor, action="buyer.part", subject=subject, reason=reason)
