"""Decides what is stopped: everything, a channel, or a SKU, at once and by whoever says why.

A stopped listing shows nothing, and new reservations of it are refused. Orders that were made before go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core.audit import note
from core.db.pool import Connection, Pool
from core.db.queries import load_queries
from core.errors import InvalidInput, UnknownChannel, UnknownSku
from core.types import ChannelId, ListingId, ListingRef, OrderRef, SkuId

_SQL = load_queries("core.offers.closures", "switches.sql")
_STOP = _SQL["stop"]
_RELEASE = _SQL["release"]
_ADD_SWITCH_EVENT = _SQL["add_switch_event"]
_FIND_CHANNEL = _SQL["find_channel"]
_FIND_SKU = _SQL["find_sku"]
_PRESS = _SQL["press"]
_REFUSED_BY_SWITCH = _SQL["refused_by_switch"]


class Scope(StrEnum):
    """What one switch stops."""

    EVERYTHING = "everything"
    CHANNEL = "channel"
    SKU = "sku"


@dataclass(frozen=True, slots=True)
class Switch:
    """A switch by what people call its subject; everything has no name."""

    scope: Scope
    name: str = ""

    def __str__(self) -> str:
        return f"{self.scope} {self.name}".strip()


async def stop(conn: Connection, switch: Switch, *, actor: str, reason: str, at: datetime) -> None:
    """Stop it, in the caller's transaction: its offers are told to go off before anything else is told."""
    await _turn(conn, switch, _STOP, actor, reason, at, stopped=True)


async def release(conn: Connection, switch: Switch, *, actor: str, reason: str, at: datetime) -> None:
    """Let it sell again, as far as no other switch, pause or guard is in the way."""
    await _turn(conn, switch, _RELEASE, actor, reason, at, stopped=False)


async def _turn(
    conn: Connection, switch: Switch, query: str, actor: str, reason: str, at: datetime, *, stopped: bool
) -> None:
    if not reason.strip():
        raise InvalidInput(f"{switch}: say why; the reason is kept")
    subject_id = await _subject(conn, switch)
    if stopped:
        await conn.execute(query, switch.scope.value, subject_id, actor, reason.strip(), at)
    elif await conn.fetchval(query, switch.scope.value, subject_id) is None:
        raise InvalidInput(f"{switch} is not stopped; `consignd stopped` tells what is")
    await conn.execute(_ADD_SWITCH_EVENT, switch.scope.value, subject_id, stopped, actor, reason.strip(), at)
    action = "stop" if stopped else "go"
    await note(conn, at=at, actor=actor, action=action, subject=str(switch), reason=reason)
    await press(
        conn,
        at,
        channel_id=ChannelId(subject_id) if switch.scope is Scope.CHANNEL else None,
        sku_id=SkuId(subject_id) if switch.scope is Scope.SKU else None,
    )


async def press(
    conn: Connection,
    at: datetime,
    *,
    channel_id: ChannelId | None = None,
    sku_id: SkuId | None = None,
    listing_ids: Sequence[ListingId] | None = None,
) -> None:
    """Have the offers of a channel, SKU or listings worked out and told before all others; all where none.

    Once in a transaction: it locks in key order, and two that follow each other would not.
    """
    await conn.execute(_PRESS, channel_id, sku_id, listing_ids, at)


async def refused_by_switch(
    conn: Connection | Pool, channel_id: ChannelId, order_ref: OrderRef, listing_refs: Sequence[ListingRef]
) -> str | None:
    """Why a new reservation on a channel is refused now; None: it is not, or the order is known already."""
    why: str | None = await conn.fetchval(_REFUSED_BY_SWITCH, channel_id, order_ref, list(listing_refs))
    return why


async def _subject(conn: Connection, switch: Switch) -> int:
    """The subject's id; a name that is not known is an error that says where the known ones are."""
    match switch.scope:
        case Scope.EVERYTHING:
            return 0
        case Scope.CHANNEL:
            channel_id: int | None = await conn.fetchval(_FIND_CHANNEL, switch.name)
            if channel_id is None:
                raise UnknownChannel(
                    f"channel {switch.name!r} is not known; `consignd channels list` names them"
                )
            return channel_id
        case Scope.SKU:
            sku_id: int | None = await conn.fetchval(_FIND_SKU, switch.name)
            if sku_id is None:
                raise UnknownSku(f"SKU {switch.name!r} is not known; `consignd stock list` names them")
            return sku_id
