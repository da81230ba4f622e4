"""Moves what a guarded channel asked, and how it ended, into sums; closes and opens offers by them.

Any daemon may note and judge: outcomes are rows, once per order, and what is closed is a row as well, so that
all of them see the same sums and nobody closes or opens twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from core.audit import note as keep_note
from core.db.pool import DATABASE_FAILURES, Connection, Pool
from core.db.queries import load_queries
from core.errors import InvalidInput
from core.offers.closures.guard import Tally, rule
from core.offers.closures.switches import press
from core.offers.terms import ChannelTerms
from core.types import Asked, ChannelId, CountedOver, ListingId, ListingRef, OrderRef, PenaltyLine

_SQL = load_queries("core.offers.closures", "guarding.sql")
_NOTE_OUTCOMES = _SQL["note_outcomes"]
_TALLIES = _SQL["tallies"]
_OPEN_TRIPS = _SQL["open_trips"]
_TRIP = _SQL["trip"]
_OPEN_TRIP = _SQL["open_trip"]
_FIND_TRIPS = _SQL["find_trips"]
_DROP_OLD_OUTCOMES = _SQL["drop_old_outcomes"]

_GUARD = "guard"
_SEPARATOR = "\x1f"
_MOST_AT_ONCE = 256
_MOST_WAITING = 100_000
_KEPT = timedelta(days=2)
_EVER = datetime.min.replace(tzinfo=UTC)

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one question of a channel ended. Without listings, those of the order are meant."""

    channel_id: ChannelId
    asked: Asked
    order_ref: OrderRef
    ok: bool
    at: datetime
    listing_refs: tuple[ListingRef, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """What the guard closed or opened: a listing, or the whole channel."""

    channel: str
    listing_id: ListingId | None
    closed: bool
    why: str


class Guard:
    """Keeps the sums of every guarded channel and acts on them."""

    def __init__(self, pool: Pool, now: Callable[[], datetime]) -> None:
        self._pool = pool
        self._now = now
        self._waiting: list[Outcome] = []
        self._writing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def completed(
        self, terms: ChannelTerms, asked: Asked, order_ref: OrderRef, refs: Collection[ListingRef] = ()
    ) -> None:
        """Note that something the channel asked was done; it is written soon, many at a time.

        One that is lost in between makes our sum stricter than the channel's, never milder.
        """
        if _counts(terms, asked) and len(self._waiting) < _MOST_WAITING:
            outcome = Outcome(terms.channel_id, asked, order_ref, True, self._now(), tuple(refs))
            self._waiting.append(outcome)
            self._write_soon()

    async def failed(
        self, terms: ChannelTerms, asked: Asked, order_ref: OrderRef, refs: Collection[ListingRef] = ()
    ) -> list[Change]:
        """Note that something was not done, and close what comes near a line by it; durable when it returns.

        While the database is away it waits with the others, and the sums are made when it is back.
        """
        if not _counts(terms, asked):
            return []
        outcome = Outcome(terms.channel_id, asked, order_ref, False, self._now(), tuple(refs))
        self._waiting.append(outcome)
        try:
            await self.write()
            return await self.watch(terms)
        except DATABASE_FAILURES as error:
            _log.warning("guard.not_written", channel=terms.name, error=type(error).__name__)
            return []

    async def write(self) -> None:
        """Write what waits."""
        async with self._writing:
            while self._waiting:
                some = self._waiting[:_MOST_AT_ONCE]
                await self._pool.execute(
                    _NOTE_OUTCOMES,
                    [outcome.channel_id for outcome in some],
                    [outcome.asked.value for outcome in some],
                    [outcome.order_ref for outcome in some],
                    [outcome.ok for outcome in some],
                    [outcome.at for outcome in some],
                    [_SEPARATOR.join(outcome.listing_refs) for outcome in some],
                )
                del self._waiting[: len(some)]

    def _write_soon(self) -> None:
        if not self._tasks:
            task = asyncio.create_task(self._write_quietly())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _write_quietly(self) -> None:
        try:
            await self.write()
        except DATABASE_FAILURES as error:
            # They wait for the next one, or for the watch.
            _log.debug("guard.not_written", error=type(error).__name__)

    async def watch(self, terms: ChannelTerms) -> list[Change]:
        """Close and open what the sums of now ask for. Call it often: time moves them as well as failures."""
        if not terms.guard.lines:
            return []
        await self.write()
        now = self._now()
        async with self._pool.acquire() as conn, conn.transaction():
            trips = {
                (row["line"], row["listing_id"]): (int(row["trip_id"]), row["closed_at"])
                for row in await conn.fetch(_OPEN_TRIPS, terms.channel_id)
            }
            changes = []
            for line in terms.guard.lines:
                for over in line.over:
                    changes += await self._judge(conn, terms, line, over, trips, now)
            await _press(conn, terms.channel_id, [change.listing_id for change in changes], now)
        for change in changes:
            _tell(change)
        return changes

    async def _judge(
        self,
        conn: Connection,
        terms: ChannelTerms,
        line: PenaltyLine,
        over: CountedOver,
        trips: dict[tuple[str, int | None], tuple[int, datetime]],
        now: datetime,
    ) -> list[Change]:
        tallies = await read_tallies(conn, terms.channel_id, line, over, now)
        name = line_name(line)
        closed = {listing: trip for (at, listing), trip in trips.items() if at == name and _is(over, listing)}
        changes = []
        for listing_id in sorted(closed.keys() | tallies.keys(), key=lambda listing: listing or 0):
            trip_id, closed_at = closed.get(listing_id, (None, None))
            own = ListingId(listing_id) if listing_id is not None else None
            tally = tallies.get(listing_id, Tally())
            ruling = rule(terms.guard, line, tally, closed_at, now)
            if ruling.closed and trip_id is None:
                await conn.fetchval(_TRIP, terms.channel_id, listing_id, name, ruling.why, now)
                changes.append(Change(terms.name, own, True, ruling.why))
            elif not ruling.closed and trip_id is not None:
                await conn.fetchval(_OPEN_TRIP, trip_id, now, _GUARD, ruling.why)
                changes.append(Change(terms.name, own, False, ruling.why))
        return changes

    async def closed(self, terms: ChannelTerms) -> tuple[str, ...]:
        """Why offers of a channel are closed now; what concerns all of it comes first."""
        rows = await self._pool.fetch(_OPEN_TRIPS, terms.channel_id)
        return tuple(row["why"] for row in sorted(rows, key=lambda row: row["listing_id"] is not None))

    async def reopen(self, channel: str, listing_ref: str | None, *, actor: str, reason: str) -> int:
        """A person says that the cause is mended: it opens, and what failed before counts no more."""
        now = self._now()
        async with self._pool.acquire() as conn, conn.transaction():
            rows = await conn.fetch(_FIND_TRIPS, channel, listing_ref)
            subject = f"{channel}/{listing_ref}" if listing_ref else channel
            if not rows:
                raise InvalidInput(f"{subject}: the guard closed nothing there; see `consignd guard list`")
            for row in rows:
                await conn.fetchval(_OPEN_TRIP, row["trip_id"], now, actor, reason)
            channel_id = ChannelId(rows[0]["channel_id"])
            await _press(conn, channel_id, [row["listing_id"] for row in rows], now)
            await keep_note(conn, at=now, actor=actor, action="guard open", subject=subject, reason=reason)
        return len(rows)

    async def drop_old(self) -> None:
        """Forget outcomes that no sum counts any more."""
        await self._pool.execute(_DROP_OLD_OUTCOMES, self._now() - _KEPT)


async def read_tallies(
    conn: Connection, channel_id: ChannelId, line: PenaltyLine, over: CountedOver, now: datetime
) -> dict[int | None, Tally]:
    """What the channel counts for a line, by listing, or under None for all; only where something failed."""
    since = now - timedelta(seconds=line.window_seconds) if line.window_seconds else _EVER
    whole = over is CountedOver.CHANNEL
    rows: Sequence[tuple[int | None, int, int, int]] = [
        (row["listing_id"], row["failed"], row["completed"], row["streak"])
        for row in await conn.fetch(_TALLIES, channel_id, line.asked.value, since, whole)
    ]
    return {listing_id: Tally(failed, done, streak) for listing_id, failed, done, streak in rows}


def line_name(line: PenaltyLine) -> str:
    """What a line is called in rows and lists."""
    return f"{line.asked} {line.formula} {line.at:g}"


def _counts(terms: ChannelTerms, asked: Asked) -> bool:
    return any(line.asked is asked for line in terms.guard.lines)


def _is(over: CountedOver, listing_id: int | None) -> bool:
    return (listing_id is None) == (over is CountedOver.CHANNEL)


def _tell(change: Change) -> None:
    event = "guard.closed" if change.closed else "guard.opened"
    _log.warning(event, channel=change.channel, listing_id=change.listing_id, why=change.why)


async def _press(
    conn: Connection, channel_id: ChannelId, changed: Sequence[ListingId | None], now: datetime
) -> None:
    """Have what was closed or opened told first; None is the whole channel."""
    own = [listing_id for listing_id in changed if listing_id is not None]
    if len(own) < len(changed):
        await press(conn, now, channel_id=channel_id)
    elif own:
        await press(conn, now, listing_ids=own)
