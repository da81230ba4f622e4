"""Runs one piece of a channel's work whenever it is woken, and goes on after failures."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from connectors.kit.errors import ChannelError, TryLater
from core.db.pool import DATABASE_FAILURES
from core.errors import ConsigndError

Work = Callable[[], Awaitable[None]]
Health = Callable[[str, bool, str], Awaitable[None]]

# What the world may do to a loop's work; all else is a mistake of ours.
_FAILURES: tuple[type[Exception], ...] = (ChannelError, ConsigndError, *DATABASE_FAILURES)
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0

_log = structlog.get_logger()


class Loop:
    """Work that is done whenever `wake` is called; a failure is told once, and the work is tried again."""

    def __init__(self, channel: str, subject: str, work: Work, health: Health) -> None:
        self._channel = channel
        self._subject = subject
        self._work = work
        self._health = health
        self._woken = asyncio.Event()
        self._failures = 0
        self._stopping = False

    def wake(self) -> None:
        """Have the work done soon; several calls before it starts are one."""
        self._woken.set()

    async def tick(self) -> None:
        """The timetable's wake: a coroutine, because the timetable runs plain functions in a thread."""
        self.wake()

    def stop(self) -> None:
        """Finish what is being done and start nothing more."""
        self._stopping = True
        self._woken.set()

    async def run(self) -> None:
        """Run until stopped. Ends by itself only for an error of ours, which the supervisor handles."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            if self._stopping:
                return
            await self._try()

    async def _try(self) -> None:
        try:
            await self._work()
        except _FAILURES as error:
            await self._failed(error)
        else:
            await self._succeeded()

    async def _failed(self, error: Exception) -> None:
        self._failures += 1
        if self._failures == 1:
            _log.warning(
                "channel.failing",
                channel=self._channel,
                subject=self._subject,
                error=f"{type(error).__name__}: {error}",
            )
        await self._tell(ok=False, detail=f"{type(error).__name__}: {error}")
        backoff = min(_FIRST_PAUSE_SECONDS * 2 ** min(self._failures, 8), _LONGEST_PAUSE_SECONDS)
        asked = error.after_seconds if isinstance(error, TryLater) else 0.0
        asyncio.get_running_loop().call_later(min(max(asked, backoff), _LONGEST_PAUSE_SECONDS), self.wake)

    async def _succeeded(self) -> None:
        if self._failures:
            _log.info(
                "channel.back", channel=self._channel, subject=self._subject, after_failures=self._failures
            )
        self._failures = 0
        await self._tell(ok=True, detail="")

    async def _tell(self, *, ok: bool, detail: str) -> None:
        try:
            await self._health(self._subject, ok, detail)
        except DATABASE_FAILURES as error:
            _log.debug("health.not_written", channel=self._channel, error=type(error).__name__)
