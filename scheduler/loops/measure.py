"""Moves what happened into the history, every few seconds, in every daemon: they take turns by themselves."""

from __future__ import annotations

import structlog

from core.db.pool import DATABASE_FAILURES
from core.offers.history.measuring import Measuring

MEASURE_SECONDS = 10.0

_log = structlog.get_logger()


class Measurer:
    """One sweep at a time; a database that is away is told of once."""

    def __init__(self, measuring: Measuring) -> None:
        self._measuring = measuring
        self._failing = False

    async def tick(self) -> None:
        """Sweep; what cannot be done now is done the next time, from the same place."""
        try:
            await self._measuring.sweep()
        except DATABASE_FAILURES as error:
            if not self._failing:
                _log.warning("measuring.failing", error=f"{type(error).__name__}: {error}")
            self._failing = True
        else:
            if self._failing:
                _log.info("measuring.back")
            self._failing = False
