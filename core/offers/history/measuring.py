"""Moves facts into the history: orders into sums per hour, free codes into daily levels, lags into a row.

Every sweep locks its cursor, reads what lies behind it, writes and moves the cursor in one transaction: any
number of daemons may sweep, a killed one loses nothing, and nothing is counted twice. Sales are counted in
slices of at most an hour that end a while ago, since an order may be committed later than the moment it
carries. What comes later still is found when each hour, well after its end, is counted once more as a
whole: the difference to what was counted is added.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from core.db.pool import Connection, Pool, Record
from core.db.queries import load_queries
from core.offers.history.selling import QUICK_SECONDS, SLOW_SECONDS

_SQL = load_queries("core.offers.history", "measuring.sql")
_LOCK_CURSOR = _SQL["lock_cursor"]
_COUNTED_UNTIL = _SQL["counted_until"]
_MOVE_CURSOR = _SQL["move_cursor"]
_FRESH_SALES = _SQL["fresh_sales"]
_ADD_HOURS = _SQL["add_hours"]
_ADD_SELLING = _SQL["add_selling"]
_LOOK_AT_LEVELS = _SQL["look_at_levels"]
_SUM_UP_LAGS = _SQL["sum_up_lags"]
_DROP_OLD_SALES = _SQL["drop_old_sales"]
_DROP_OLD_LEVELS = _SQL["drop_old_levels"]
_DROP_OLD_LAGS = _SQL["drop_old_lags"]

_HOUR = timedelta(hours=1)
# An order carries the moment at which its group was put together, and is committed well within this.
_SETTLED_AFTER = timedelta(seconds=20)
# What a broken clock or a stalled server brought later than that is found by the second count.
_COUNTED_AGAIN_AFTER = timedelta(hours=2)
# Whoever remembers what follows from a lag has to forget it when the lag changes: not all the time.
_LAGS_EVERY = timedelta(minutes=5)
_CLEAN_EVERY = timedelta(hours=6)
# A daemon that finds months to catch up with does it by and by.
_MOST_SLICES = 1000
_KEEP_SALES = timedelta(days=400)
_KEEP_LEVELS = timedelta(days=40)
_KEEP_LAGS = timedelta(days=14)


class Measuring:
    """The sweeps over what happened. Call `sweep` every few seconds, from as many daemons as there are."""

    def __init__(self, pool: Pool, now: Callable[[], datetime]) -> None:
        self._pool = pool
        self._now = now

    async def sweep(self) -> None:
        """Bring every sum up to date."""
        await self.count_sales()
        await self.count_late_sales()
        await self.look_at_levels()
        await self.sum_up_lags()
        await self.drop_old()

    async def count_sales(self) -> int:
        """Count orders that came in since the last time; how many slices were counted."""
        until = self._now() - _SETTLED_AFTER
        for done in range(_MOST_SLICES):
            async with self._pool.acquire() as conn, conn.transaction():
                start = await _locked(conn, "sales")
                if start is None or start >= until:
                    return done
                end = min(_hour(start) + _HOUR, until)
                rows = await conn.fetch(_FRESH_SALES, start, end, False)
                await _add(conn, _hour(start), end, rows)
                await conn.execute(_MOVE_CURSOR, "sales", end)
        return _MOST_SLICES

    async def count_late_sales(self) -> int:
        """Count hours again that are long over; how many units came late.

        Only hours that were counted: in another daemon the first count may still be behind.
        """
        until = _hour(self._now() - _COUNTED_AGAIN_AFTER)
        late = 0
        for _ in range(_MOST_SLICES):
            async with self._pool.acquire() as conn, conn.transaction():
                start = await _locked(conn, "late sales")
                if start is None or start >= until:
                    break
                counted: datetime = await conn.fetchval(_COUNTED_UNTIL, "sales")
                if start + _HOUR > counted:
                    break
                rows = await conn.fetch(_FRESH_SALES, start, start + _HOUR, True)
                await _add(conn, start, start + _HOUR, rows)
                await conn.execute(_MOVE_CURSOR, "late sales", start + _HOUR)
                late += sum(int(row["units"]) for row in rows)
        return late

    async def look_at_levels(self) -> bool:
        """Note the free codes of every SKU, once an hour; whether this was the time for it."""
        now = self._now()
        return await self._every(_HOUR, "levels", _hour(now), (_LOOK_AT_LEVELS, now))

    async def sum_up_lags(self) -> bool:
        """Put the lags of the last days into one row per channel; whether this was the time for it."""
        now = self._now()
        return await self._every(_LAGS_EVERY, "lags", now, (_SUM_UP_LAGS, now))

    async def drop_old(self) -> bool:
        """Forget what nobody asks for any more; whether this was the time for it."""
        now = self._now()
        return await self._every(
            _CLEAN_EVERY,
            "old",
            now,
            (_DROP_OLD_SALES, now - _KEEP_SALES),
            (_DROP_OLD_LEVELS, now - _KEEP_LEVELS),
            (_DROP_OLD_LAGS, now - _KEEP_LAGS),
        )

    async def _every(self, span: timedelta, subject: str, now: datetime, *work: tuple[str, datetime]) -> bool:
        async with self._pool.acquire() as conn, conn.transaction():
            reached = await _locked(conn, subject)
            if reached is None or reached + span > now:
                return False
            for statement, at in work:
                await conn.execute(statement, at)
            await conn.execute(_MOVE_CURSOR, subject, now)
        return True


async def _locked(conn: Connection, subject: str) -> datetime | None:
    """How far a sweep has come; None while another daemon is at it."""
    reached: datetime | None = await conn.fetchval(_LOCK_CURSOR, subject)
    return reached


async def _add(conn: Connection, hour: datetime, at: datetime, rows: Sequence[Record]) -> None:
    if not rows:
        return
    sku_ids = [row["sku_id"] for row in rows]
    channel_ids = [row["channel_id"] for row in rows]
    units = [row["units"] for row in rows]
    lines = [row["lines"] for row in rows]
    await conn.execute(
        _ADD_HOURS, hour, sku_ids, channel_ids, units, lines, [row["refused_units"] for row in rows]
    )
    await conn.execute(
        _ADD_SELLING,
        at,
        sku_ids,
        channel_ids,
        [float(count) for count in units],
        [float(count) for count in lines],
        [row["first_at"] for row in rows],
        [row["last_at"] for row in rows],
        QUICK_SECONDS,
        SLOW_SECONDS,
    )


def _hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
