"""Seals the journal every few seconds in every daemon, which take turns by themselves, and logs the heads."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from core.db.pool import DATABASE_FAILURES, Pool
from core.money.journal.sealing import Sealing
from core.views.journal import chain_state
from scheduler.composition import utc_now

SEAL_SECONDS = 5.0
_TELL_EVERY = timedelta(hours=1)

_log = structlog.get_logger()


class Sealer:
    """One sweep at a time; a database that is away is told of once."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._sealing = Sealing(pool, utc_now)
        self._failing = False
        self._told_at: datetime | None = None

    def on(self, timetable: AsyncIOScheduler) -> None:
        """Have it done."""
        timetable.add_job(self.tick, "interval", seconds=SEAL_SECONDS, max_instances=1)

    async def tick(self) -> None:
        """Seal what is there; what cannot be done now is done the next time, from the same place."""
        try:
            await self._sealing.sweep()
            await self._tell()
        except DATABASE_FAILURES as error:
            if not self._failing:
                _log.warning("sealing.failing", error=f"{type(error).__name__}: {error}")
            self._failing = True
        else:
            if self._failing:
                _log.info("sealing.back")
            self._failing = False

    async def _tell(self) -> None:
        """A log that is kept on another machine holds heads that nobody here can change."""
        now = utc_now()
        if self._told_at is not None and now - self._told_at < _TELL_EVERY:
            return
        async with self._pool.acquire() as conn:
            state = await chain_state(conn)
        for head in state.heads:
            _log.info("ledger.head", head=head.head, sealed_at=head.sealed_at.isoformat())
        self._told_at = now
