"""Recalculates a channel's prices as time, rates and history move them, and has what differs pushed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from core.db.pool import Pool
from core.money.rates import newest_entry
from core.offers.pricing.repricing import Repricing, boundaries
from core.offers.terms import ChannelTerms

_log = structlog.get_logger()


class Repricer:
    """One channel's prices. A round goes over all listings when something may have moved them."""

    def __init__(
        self,
        pool: Pool,
        terms: ChannelTerms,
        now: Callable[[], datetime],
        wake_push: Callable[[], None],
        every_seconds: float,
    ) -> None:
        self._pool = pool
        self._terms = terms
        self._repricing = Repricing(pool, terms)
        self._now = now
        self._wake_push = wake_push
        self._every = timedelta(seconds=every_seconds)
        self._boundaries = boundaries(terms.price)
        self._done_at: datetime | None = None
        self._rates = -1

    async def reprice(self) -> None:
        """Go over all listings if it is time, a rule has begun or ended, or there are new rates."""
        now = self._now()
        async with self._pool.acquire() as conn:
            rates = await newest_entry(conn)
        if not self._is_due(now, rates):
            return
        done = await self._repricing.all(now)
        self._done_at, self._rates = now, rates
        if done.differing:
            self._wake_push()
        _log.info(
            "prices.recalculated",
            channel=self._terms.name,
            looked_at=done.looked_at,
            differing=done.differing,
        )

    def _is_due(self, now: datetime, rates: int) -> bool:
        last = self._done_at
        if last is None or rates != self._rates:
            return True
        if any(last < moment <= now for moment in self._boundaries):
            return True
        return self._moves and now - last >= self._every

    @property
    def _moves(self) -> bool:
        """Whether prices move between the beginnings and ends of rules: by history, rivals or budgets."""
        return self._terms.price.moves_by_itself or self._terms.changes.free_per_day is not None
