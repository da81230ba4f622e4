"""Lets people take discrepancies on and settle them: where the money goes, and why, is an entry and a row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from core.audit import note
from core.db.pool import Connection, Pool
from core.db.queries import load_queries
from core.errors import Conflict, InvalidInput, UnknownDiscrepancy
from core.money.booking import Booker
from core.money.money import Money
from core.money.statements.book import reduce
from core.money.statements.entries import settling_booking
from core.money.statements.terms import Resolution

_SQL = load_queries("core.money.statements", "book.sql")
_LOCK_CHANNEL = _SQL["lock_channel"]
_FIND = _SQL["find_discrepancy"]
_SETTLE_DUE = _SQL["settle_due"]
_TAKE_FROM_DUES = _SQL["take_from_dues"]
_ASSIGN = _SQL["assign"]
_ADD_EVENTS = _SQL["add_events"]


@dataclass(frozen=True, slots=True)
class _Open:
    """A discrepancy that is still open, with what is left of it."""

    discrepancy_id: int
    channel_id: int
    channel: str
    due_id: int | None
    left: Money


class DiscrepancyDesk:
    """Assigns and settles discrepancies. Nothing of one is ever deleted."""

    def __init__(self, pool: Pool, now: Callable[[], datetime]) -> None:
        self._pool = pool
        self._now = now
        self._booker = Booker(pool)

    async def assign(self, discrepancy_id: int, owner: str, *, actor: str, reason: str) -> None:
        """Say whose business it is."""
        if not owner.strip():
            raise InvalidInput(f"discrepancy {discrepancy_id}: name who is to look at it")
        now = self._now()
        async with self._pool.acquire() as conn, conn.transaction():
            await _open(conn, discrepancy_id)
            await conn.execute(_ASSIGN, discrepancy_id, owner.strip())
            told = f"to {owner.strip()}: {reason}"
            await _note(conn, "discrepancy.assign", discrepancy_id, told, actor, now)
            await conn.execute(_ADD_EVENTS, [discrepancy_id], [0], [None], [told], "assigned", actor, now)

    async def note(self, discrepancy_id: int, *, actor: str, reason: str) -> None:
        """Write down what was found out; it stays as open as it was."""
        now = self._now()
        async with self._pool.acquire() as conn, conn.transaction():
            await _open(conn, discrepancy_id)
            await _note(conn, "discrepancy.note", discrepancy_id, reason, actor, now)
            await conn.execute(_ADD_EVENTS, [discrepancy_id], [0], [None], [reason], "noted", actor, now)

    async def resolve(self, discrepancy_id: int, resolution: Resolution, *, actor: str, reason: str) -> Money:
        """Settle what is left of it by an entry; how much that was."""
        if resolution not in (Resolution.FEE, Resolution.WRITE_OFF, Resolution.BANK):
            raise InvalidInput(
                f"discrepancy {discrepancy_id}: {resolution} needs another one: name it as its pair"
            )
        now = self._now()
        async with self._pool.acquire() as conn, conn.transaction():
            found = await _open(conn, discrepancy_id)
            left_minor, currency = found.left.amount_minor, found.left.currency
            booking = settling_booking(found.channel, left_minor, currency, resolution)
            [posted] = await self._booker.post(conn, [booking], now)
            await _note(conn, "discrepancy.resolve", discrepancy_id, reason, actor, now)
            shrunk = [(discrepancy_id, left_minor, posted)]
            await reduce(conn, shrunk, resolution, reason.strip(), actor, now)
            if found.due_id is not None:
                await conn.execute(_SETTLE_DUE, found.due_id)
        return found.left

    async def pair(self, discrepancy_id: int, other_id: int, *, actor: str, reason: str) -> Money:
        """Settle two of a channel against each other, as far as they go; how much that was.

        Both stand on one account already, so no entry is needed.
        """
        if discrepancy_id == other_id:
            raise InvalidInput(f"discrepancy {discrepancy_id}: it cannot be its own other side")
        now = self._now()
        async with self._pool.acquire() as conn, conn.transaction():
            one, other = [await _open(conn, number) for number in sorted((discrepancy_id, other_id))]
            _refuse_apart(one, other)
            size = min(abs(one.left.amount_minor), abs(other.left.amount_minor))
            for side in (one, other):
                part_minor = size if side.left.amount_minor > 0 else -size
                await _note(conn, "discrepancy.resolve", side.discrepancy_id, reason, actor, now)
                shrunk = [(side.discrepancy_id, part_minor, None)]
                await reduce(conn, shrunk, Resolution.PAIR, reason.strip(), actor, now)
                if side.due_id is not None:
                    # A missing due is above zero where its discrepancy is below.
                    await conn.execute(_TAKE_FROM_DUES, [side.due_id], [-part_minor])
        return Money(size, one.left.currency)


async def _open(conn: Connection, discrepancy_id: int) -> _Open:
    """The discrepancy, under its channel's lock; an error if there is none, or it is settled."""
    row = await conn.fetchrow(_FIND, discrepancy_id)
    if row is None:
        raise UnknownDiscrepancy(
            f"discrepancy {discrepancy_id} is not known; `consignd discrepancies list` lists them"
        )
    await conn.execute(_LOCK_CHANNEL, row["channel_id"])
    row = await conn.fetchrow(_FIND, discrepancy_id)
    assert row is not None, "a discrepancy is never deleted"
    if row["state"] != "open":
        raise Conflict(f"discrepancy {discrepancy_id} is settled already")
    left = Money(int(row["left_minor"]), row["currency"])
    return _Open(discrepancy_id, int(row["channel_id"]), row["channel"], row["due_id"], left)


def _refuse_apart(one: _Open, other: _Open) -> None:
    if one.channel_id != other.channel_id or one.left.currency != other.left.currency:
        raise InvalidInput(
            f"discrepancies {one.discrepancy_id} and {other.discrepancy_id}: "
            "a pair is of one channel and one currency"
        )
    if (one.left.amount_minor > 0) == (other.left.amount_minor > 0):
        raise InvalidInput(
            f"discrepancies {one.discrepancy_id} and {other.discrepancy_id}: both are "
            f"{'above' if one.left.amount_minor > 0 else 'below'} zero, so neither is the other's other side"
        )


async def _note(
    conn: Connection, action: str, discrepancy_id: int, reason: str, actor: str, now: datetime
) -> None:
    if not reason.strip():
        raise InvalidInput(f"discrepancy {discrepancy_id}: say why; the reason is kept")
    subject = f"discrepancy {discrepancy_id}"
    await note(conn, at=now, actor=actor, action=action, subject=subject, reason=reason)
