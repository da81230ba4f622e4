"""Moves buyers' money and points when time does: what vests becomes usable, what expires is gone."""

from __future__ import annotations

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from core.db.pool import DATABASE_FAILURES, Pool
from core.errors import ConsigndError
from core.wallets.wallets import Wallets
from scheduler.composition import utc_now

WALLETS_SECONDS = 30.0
# A round ends after so many batches, so that a daemon that stops is not kept; the next one goes on.
MOST_BATCHES = 100
_FAILURES: tuple[type[Exception], ...] = (ConsigndError, *DATABASE_FAILURES)

_log = structlog.get_logger()


class WalletSweep:
    """One round after the other; daemons take turns by themselves, and a failure is told once."""

    def __init__(self, pool: Pool) -> None:
        self._wallets = Wallets(pool)
        self._failing = False

    async def tick(self) -> None:
        """Whatever is due now, batch by batch, each a transaction of its own."""
        try:
            for _ in range(MOST_BATCHES):
                done = await self._wallets.sweep(utc_now())
                if done is None or not done.vested + done.expired:
                    break
                _log.info("wallets.swept", vested=done.vested, expired=done.expired)
        except _FAILURES as error:
            if not self._failing:
                _log.warning("sweep.failing", subject="wallets", error=f"{type(error).__name__}: {error}")
            self._failing = True
        else:
            self._failing = False


def add_wallet_sweep(timetable: AsyncIOScheduler, pool: Pool) -> None:
    """Have it done."""
    timetable.add_job(WalletSweep(pool).tick, "interval", seconds=WALLETS_SECONDS, max_instances=1)
