"""Draws settlements up when payees' cycles end, and releases reserves, in every daemon; they take turns."""

from __future__ import annotations

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from config.settings import Settings
from core.db.pool import DATABASE_FAILURES, Pool
from core.errors import ConsigndError
from core.money.settlement.drawing import SettlementRuns
from scheduler.composition import utc_now
from scheduler.settlement_terms import settlement_terms

SETTLE_SECONDS = 60.0
_ACTOR = "daemon"
_FAILURES: tuple[type[Exception], ...] = (ConsigndError, *DATABASE_FAILURES)

_log = structlog.get_logger()


class SettlementSweep:
    """One round after the other; it goes on after the database was away, and says so once."""

    def __init__(self, runs: SettlementRuns) -> None:
        self._runs = runs
        self._failing = False

    async def tick(self) -> None:
        """Collect what is owed, so that no run has much to collect, and run the cycles that have ended."""
        try:
            await self._runs.collect()
            for drawn in await self._runs.run_due(_ACTOR):
                _log.info(
                    "settlement.run",
                    payee=str(drawn.payee),
                    outcome=drawn.outcome.value,
                    owed=str(drawn.owed),
                    settlement_id=drawn.settlement_id,
                )
        except _FAILURES as error:
            if not self._failing:
                _log.warning("sweep.failing", subject="settlements", error=f"{type(error).__name__}: {error}")
            self._failing = True
        else:
            self._failing = False


def add_settlement_sweep(timetable: AsyncIOScheduler, pool: Pool, settings: Settings) -> None:
    """Have cycles run when they end."""
    runs = SettlementRuns(pool, settlement_terms(settings), utc_now)
    timetable.add_job(SettlementSweep(runs).tick, "interval", seconds=SETTLE_SECONDS, max_instances=1)
