"""Has the guard look at a channel's sums again and again: time moves them, and other daemons' failures."""

from __future__ import annotations

from collections.abc import Callable

from core.offers.closures.guarding import Guard
from core.offers.terms import ChannelTerms
from scheduler.loops.loop import Health

PENALTIES = "penalties"


class GuardWatch:
    """One channel's sums, for as long as this daemon drives it."""

    def __init__(
        self, guard: Guard, terms: ChannelTerms, health: Health, wake_push: Callable[[], None]
    ) -> None:
        self._guard = guard
        self._terms = terms
        self._health = health
        self._wake_push = wake_push

    async def watch(self) -> None:
        """Close and open what the sums of now ask for, and say how it stands in the channel's health."""
        if await self._guard.watch(self._terms):
            self._wake_push()
        closed = await self._guard.closed(self._terms)
        detail = f"the guard keeps {len(closed)} closed: {closed[0]}" if closed else ""
        await self._health(PENALTIES, not closed, detail)
