"""Makes several names one person, and parts them again; history and accounts keep their names."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from core.audit import note
from core.buyers.buyers import Buyer
from core.db.pool import Connection
from core.db.queries import load_queries
from core.errors import Conflict, InvalidInput
from core.types import BuyerId

_SQL = load_queries("core.buyers", "buyers.sql")
_LOCK_JOINS = _SQL["lock_joins"]
_PERSON = _SQL["person"]
_IDS_OF_PERSON = _SQL["ids_of_person"]
_LOCK_NAMES = _SQL["lock_names"]
_NAMES = _SQL["names"]
_ADD_JOIN = _SQL["add_join"]
_JOINS = _SQL["joins"]

# Somebody would have to join and part names of one person all the time for as many to be too few.
_LOOKS = 20


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


async def lock_person(conn: Connection, buyer_id: BuyerId) -> list[BuyerId]:
    """Hold all names of a person until the transaction ends; nobody joins or parts them so long.

    Conflict: they were joined or parted each time that we looked.
    """
    assert conn.is_in_transaction(), "a lock ends with its transaction"
    for _ in range(_LOOKS):
        try:
            # What was locked in vain is let go: a name of a smaller number may be among the new ones.
            async with conn.transaction():
                names = await _ids(conn, buyer_id)
                await conn.fetch(_LOCK_NAMES, names)
                if await _ids(conn, buyer_id) != names:
                    raise _OtherNamesError
            return names
        except _OtherNamesError:
            continue
    raise Conflict(f"buyer {buyer_id} is being joined with others, or parted from them: try again")


class _OtherNamesError(Exception):
    """Names were joined or parted while we waited for them."""


async def _ids(conn: Connection, buyer_id: BuyerId) -> list[BuyerId]:
    return [BuyerId(row["buyer_id"]) for row in await conn.fetch(_IDS_OF_PERSON, buyer_id)]


async def joins_of(conn: Connection, buyer: Buyer, limit: int = 100) -> tuple[Join, ...]:
    """What was joined and parted of a person's names, the latest first."""
    ids = [name.buyer_id for name in await names_of(conn, buyer)]
    return tuple(Join(**dict(row)) for row in await conn.fetch(_JOINS, ids, limit))


async def join(
    conn: Connection, one: Buyer, other: Buyer, *, actor: str, reason: str, now: datetime
) -> Buyer:
    """From now on the second is known as the first, in the caller's transaction; the person they are.

    What stands on the second's accounts stays there, and is the person's to spend.
    """
    await conn.execute(_LOCK_JOINS)
    person, joined = await person_of(conn, one), await person_of(conn, other)
    if person == joined:
        raise InvalidInput(f"{one.name} and {other.name} are one person already, known as {person.name}")
    names = [*await _ids(conn, person.buyer_id), *await _ids(conn, joined.buyer_id)]
    await conn.fetch(_LOCK_NAMES, names)
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
    await conn.fetch(_LOCK_NAMES, await _ids(conn, person.buyer_id))
    await conn.execute(_ADD_JOIN, buyer.buyer_id, None, now, actor, reason)
    subject = f"{buyer.name} from {person.name}"
    await note(conn, at=now, actor=actor, action="buyer.part", subject=subject, reason=reason)
