"""Keeps who buys: one buyer for each person, by whatever names channels have for them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from core.db.pool import Connection
from core.db.queries import load_queries
from core.errors import InvalidInput
from core.types import BuyerId, ChannelId

_SQL = load_queries("core.buyers", "buyers.sql")
_ADD_BUYERS = _SQL["add_buyers"]
_ADD_HANDLES = _SQL["add_handles"]
_FIND_HANDLES = _SQL["find_handles"]
_FIND_BUYER = _SQL["find_buyer"]
_FIND_CHANNEL = _SQL["find_channel"]
_LONGEST_REF = 200

Handle = tuple[ChannelId, str]


@dataclass(frozen=True, slots=True)
class Buyer:
    """A person who buys; `name` is what accounts of the journal carry."""

    buyer_id: BuyerId
    name: str


async def known_buyers(conn: Connection, handles: Collection[Handle], now: datetime) -> dict[Handle, Buyer]:
    """The buyer behind each channel's reference, made when first met: named after channel and reference."""
    columns = _columns(handles)
    found = await _find(conn, columns)
    if len(found) < len(set(handles)):
        await conn.execute(_ADD_BUYERS, *columns, now)
        await conn.execute(_ADD_HANDLES, *columns, now)
        # A statement of its own: it sees what another made while we waited.
        found = await _find(conn, columns)
    return found


async def found_buyers(conn: Connection, handles: Collection[Handle]) -> dict[Handle, Buyer]:
    """The buyers that are known already behind references; nothing is written."""
    return await _find(conn, _columns(handles))


async def find_buyer(conn: Connection, name: str) -> Buyer:
    """By name. InvalidInput: nobody is called so."""
    row = await conn.fetchrow(_FIND_BUYER, name)
    if row is None:
        raise InvalidInput(f"no buyer is called {name!r}: a buyer of a channel is written CHANNEL/REFERENCE")
    return Buyer(BuyerId(row["buyer_id"]), row["name"])


async def named_buyer(conn: Connection, name: str, now: datetime) -> Buyer:
    """By name, or by what a channel calls him: CHANNEL/REFERENCE, made known if nobody met him yet.

    InvalidInput: it is neither.
    """
    row = await conn.fetchrow(_FIND_BUYER, name)
    if row is not None:
        return Buyer(BuyerId(row["buyer_id"]), row["name"])
    channel, _, ref = name.partition("/")
    channel_id: int | None = await conn.fetchval(_FIND_CHANNEL, channel)
    if channel_id is None or not ref.strip() or not ref.isprintable() or len(ref) > _LONGEST_REF:
        raise InvalidInput(
            f"no buyer is called {name!r}: a buyer of a channel is written CHANNEL/REFERENCE, with a channel"
            " that there is"
        )
    handle = (ChannelId(channel_id), ref)
    return (await known_buyers(conn, [handle], now))[handle]


async def _find(conn: Connection, columns: list[list[object]]) -> dict[Handle, Buyer]:
    return {
        (ChannelId(row["channel_id"]), row["buyer_ref"]): Buyer(BuyerId(row["buyer_id"]), row["name"])
        for row in await conn.fetch(_FIND_HANDLES, *columns)
    }


def _columns(handles: Collection[Handle]) -> list[list[object]]:
    ordered = sorted(set(handles))
    return [[channel_id for channel_id, _ in ordered], [ref for _, ref in ordered]]
