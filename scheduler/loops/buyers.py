"""Forgets marks of buyers when their time is over, in every daemon."""

from __future__ import annotations

from datetime import timedelta

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from core.buyers.marks import sweep_marks
from core.db.pool import DATABASE_FAILURES, Pool
from scheduler.composition import utc_now

MARKS_SECONDS = 3600.0
_MOST_BATCHES = 100

_log = structlog.get_logger()


class MarkSweep:
    """One round after the other; without a time to keep them, all marks that there are go."""

    def __init__(self, pool: Pool, kept: timedelta) -> None:
        self._pool = pool
        self._kept = kept

    async def tick(self) -> None:
        """Whatever was last seen too long ago, some at a time; what is left waits for the next round."""
        before = utc_now() - self._kept
        try:
            for _ in range(_MOST_BATCHES):
                async with self._pool.acquire() as conn:
                    gone = await sweep_marks(conn, before)
                if not gone:
                    break
                _log.info("marks.forgotten", marks=gone)
        except DATABASE_FAILURES as error:
            _log.warning("sweep.failing", subject="marks", error=f"{type(error).__name__}: {error}")


def add_mark_sweep(timetable: AsyncIOScheduler, pool: Pool, marks_days: int) -> None:
    """Have it done."""
    sweep = MarkSweep(pool, timedelta(days=marks_days))
    timetable.add_job(sweep.tick, "interval", seconds=MARKS_SECONDS, max_instances=1)
