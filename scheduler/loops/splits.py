"""Moves money that was split: shares that vest or lapse, and splits that are owed, in every daemon."""

from __future__ import annotations

from collections.abc import Mapping

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from core.db.pool import DATABASE_FAILURES, Pool
from core.errors import ConsigndError
from core.money.after_sale import AfterSale
from core.money.ledger import Ledger
from core.offers.terms import ChannelTerms
from core.orders.owed import OwedSplits
from core.types import ChannelId
from scheduler.composition import utc_now

SPLITS_SECONDS = 30.0
_FAILURES: tuple[type[Exception], ...] = (ConsigndError, *DATABASE_FAILURES)

_log = structlog.get_logger()


class SplitSweep:
    """One round after the other; it goes on after the database was away, and says so once."""

    def __init__(self, pool: Pool, ledger: Ledger, terms: Mapping[ChannelId, ChannelTerms]) -> None:
        self._after_sale = AfterSale(pool, ledger)
        self._owed = OwedSplits(pool, ledger)
        self._terms = terms
        self._failing = False

    async def tick(self) -> None:
        """Whatever is due now; what one daemon has done, the others leave."""
        try:
            await self._after_sale.settle_due(utc_now())
            await self._owed.retry(self._terms, utc_now())
        except _FAILURES as error:
            if not self._failing:
                _log.warning("sweep.failing", subject="splits", error=f"{type(error).__name__}: {error}")
            self._failing = True
        else:
            self._failing = False


def add_split_sweep(
    timetable: AsyncIOScheduler, pool: Pool, ledger: Ledger, terms: Mapping[ChannelId, ChannelTerms]
) -> None:
    """Have money moved when it is due."""
    sweep = SplitSweep(pool, ledger, terms)
    timetable.add_job(sweep.tick, "interval", seconds=SPLITS_SECONDS, max_instances=1)
