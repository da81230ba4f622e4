"""Moves groups that buy together: seats, completes and ends them, in every daemon, by turns."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from core.db.pool import DATABASE_FAILURES, Pool
from core.errors import ConsigndError
from core.group_buying.groups import GroupBuying
from core.offers.terms import ChannelTerms
from core.types import ChannelId
from scheduler.composition import utc_now

# A round that finds nothing to do is one small query.
GROUPS_SECONDS = 1.0
_FAILURES: tuple[type[Exception], ...] = (ConsigndError, *DATABASE_FAILURES)

_log = structlog.get_logger()


class GroupSweep:
    """One round after the other; it goes on after the database was away, and says so once."""

    def __init__(
        self, pool: Pool, terms: Mapping[ChannelId, ChannelTerms], wake: Callable[[ChannelId], None]
    ) -> None:
        self._buying = GroupBuying(pool, terms, utc_now)
        self._wake = wake
        self._failing = False

    async def tick(self) -> None:
        """Whatever is to be decided now; orders that were let through are delivered at once."""
        try:
            turned = await self._buying.turn()
        except _FAILURES as error:
            if not self._failing:
                _log.warning("sweep.failing", subject="groups", error=f"{type(error).__name__}: {error}")
            self._failing = True
        else:
            self._failing = False
            for channel_id in turned.woken:
                self._wake(channel_id)


def add_group_sweep(
    timetable: AsyncIOScheduler,
    pool: Pool,
    terms: Mapping[ChannelId, ChannelTerms],
    wake: Callable[[ChannelId], None],
) -> None:
    """Have it done."""
    sweep = GroupSweep(pool, terms, wake)
    timetable.add_job(sweep.tick, "interval", seconds=GROUPS_SECONDS, max_instances=1)
