"""Decides which months of the journal are closed; a closed one refuses entries, by a trigger of the table.

Months are those of UTC. Nothing is moved into another month behind anybody's back: who books what happened
in a closed one asks `open_date` for the day to book it on. A month is closed with all months before it,
once it has been over for an hour, so that a daemon whose clock is a little late never meets a closed one. A
month is opened again by an admin, with a reason and an audit row; the chain keeps what was posted when, so
nothing is hidden by that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg

from core.audit import note
from core.db.pool import Connection
from core.db.queries import load_queries
from core.errors import Conflict, InvalidInput, Overloaded

_SQL = load_queries("core.money.journal", "periods.sql")
_SOON_OR_NOT = _SQL["soon_or_not"]
_LOCK_JOURNAL = _SQL["lock_journal"]
_LAST_CHANGE = _SQL["last_change"]
_ADD_CHANGE = _SQL["add_change"]

_FORM = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")
_CLOCKS_DIFFER = timedelta(hours=1)
_FIRST_YEAR, _LAST_YEAR = 1970, 9998
_LONG_AGO = datetime(_FIRST_YEAR, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """A month of UTC, written 2026-10."""

    year: int
    month: int

    @classmethod
    def parse(cls, text: str) -> Period:
        """Read a month."""
        found = _FORM.fullmatch(text.strip())
        if found is None or not _FIRST_YEAR <= int(found[1]) <= _LAST_YEAR:
            raise InvalidInput(f"period {text!r}: write a year and a month, such as 2026-10")
        return cls(int(found[1]), int(found[2]))

    @classmethod
    def of(cls, moment: datetime) -> Period:
        """The month of a moment."""
        utc = moment.astimezone(UTC)
        return cls(utc.year, utc.month)

    @property
    def start(self) -> datetime:
        """Its first moment."""
        return datetime(self.year, self.month, 1, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """The first moment that is no longer in it."""
        return datetime(self.year + self.month // 12, self.month % 12 + 1, 1, tzinfo=UTC)

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}"


@dataclass(frozen=True, slots=True)
class _Standing:
    change_no: int
    closed_until: datetime


async def closed_until(conn: Connection) -> datetime | None:
    """The moment before which nothing may be posted; None: any."""
    standing = await _standing(conn)
    return standing.closed_until if standing.change_no else None


async def open_date(conn: Connection, at: datetime) -> datetime:
    """The date to book something on that happened at a moment: that moment, or the first that is open."""
    return max(at, (await _standing(conn)).closed_until)


async def close_period(conn: Connection, period: Period, *, actor: str, reason: str, now: datetime) -> None:
    """Close a month and all before it, in the caller's transaction, which should end at once: sales wait.

    InvalidInput when it is not over yet, Conflict when it is closed, Overloaded when a writer takes long.
    """
    if now < period.end + _CLOCKS_DIFFER:
        raise InvalidInput(
            f"period {period} cannot be closed before {period.end + _CLOCKS_DIFFER:%Y-%m-%d %H:%M} UTC: "
            "an hour after its end, since clocks differ"
        )
    await _lock(conn)
    standing = await _standing(conn)
    if standing.closed_until >= period.end:
        raise Conflict(
            f"period {period} is closed: the journal is closed until {standing.closed_until:%Y-%m-%d}"
        )
    await conn.execute(_ADD_CHANGE, standing.change_no + 1, period.end, now, actor, reason)
    await note(conn, at=now, actor=actor, action="ledger.close", subject=str(period), reason=reason)


async def reopen_period(conn: Connection, period: Period, *, actor: str, reason: str, now: datetime) -> None:
    """Open a month again and all after it, in the caller's transaction. Conflict when it is open."""
    await _lock(conn)
    standing = await _standing(conn)
    if standing.closed_until < period.end:
        raise Conflict(f"period {period} is not closed; `consignd ledger periods` lists those that are")
    await conn.execute(_ADD_CHANGE, standing.change_no + 1, period.start, now, actor, reason)
    await note(conn, at=now, actor=actor, action="ledger.reopen", subject=str(period), reason=reason)


async def _lock(conn: Connection) -> None:
    assert conn.is_in_transaction(), "a lock is held until the end of a transaction"
    await conn.execute(_SOON_OR_NOT)
    try:
        await conn.execute(_LOCK_JOURNAL)
    except asyncpg.LockNotAvailableError:
        raise Overloaded(
            "somebody has been writing to the journal for seconds: try again in a moment"
        ) from None


async def _standing(conn: Connection) -> _Standing:
    row = await conn.fetchrow(_LAST_CHANGE)
    return _Standing(0, _LONG_AGO) if row is None else _Standing(row["change_no"], row["closed_until"])
