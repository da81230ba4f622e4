"""Tells what people and shops see of groups that buy together; who sits in them is for the operator alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from core.db.pool import Connection
from core.db.queries import load_queries
from core.errors import InvalidInput

_SQL = load_queries("core.views", "groups.sql")
_GROUPS = _SQL["groups"]
_GROUP_MEMBERS = _SQL["group_members"]


@dataclass(frozen=True, slots=True)
class GroupView:
    """A group, without anything about its buyers. `state` is open, or how it ended."""

    ref: str
    offer: str
    size: int
    at_least: int | None
    taken: int
    seats_left: int
    state: str
    opened_at: datetime
    ends_at: datetime
    seconds_left: int
    ended_at: datetime | None
    why: str | None


@dataclass(frozen=True, slots=True)
class MemberView:
    """An order that has or had a seat."""

    seat_no: int
    state: str
    channel: str
    order_ref: str
    order_id: int
    order_state: str
    buyer: str | None
    pieces: int
    told_at: datetime
    moved_at: datetime | None
    why: str | None


@dataclass(frozen=True, slots=True)
class GroupDetail:
    """A group with its members, those who left too."""

    group: GroupView
    members: tuple[MemberView, ...]


async def groups(
    conn: Connection, now: datetime, *, offer: str | None = None, only_open: bool = True, limit: int = 200
) -> tuple[GroupView, ...]:
    """Open groups, or all, the open ones first and then the latest."""
    return await _read(conn, now, offer, None, only_open, limit)


async def group(conn: Connection, ref: str, now: datetime) -> GroupView:
    """One group. InvalidInput: none is called so."""
    found = await _read(conn, now, None, ref, only_open=False, limit=1)
    if not found:
        raise InvalidInput(f"no group is called {ref!r}; `consignd groups list` shows those there are")
    return found[0]


async def group_detail(conn: Connection, ref: str, now: datetime) -> GroupDetail:
    """One group with its members."""
    found = await group(conn, ref, now)
    rows = await conn.fetch(_GROUP_MEMBERS, ref)
    return GroupDetail(found, tuple(MemberView(**dict(row)) for row in rows))


async def _read(
    conn: Connection, now: datetime, offer: str | None, ref: str | None, only_open: bool, limit: int
) -> tuple[GroupView, ...]:
    found = []
    for row in await conn.fetch(_GROUPS, offer, ref, only_open, limit):
        is_open = row["state"] == "open"
        found.append(
            GroupView(
                **dict(row),
                seats_left=row["size"] - row["taken"] if is_open else 0,
                seconds_left=max(0, int((row["ends_at"] - now).total_seconds())) if is_open else 0,
            )
        )
    return tuple(found)
