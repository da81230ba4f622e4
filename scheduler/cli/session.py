"""Holds what every command shares, settings, log and scrubber, and runs its work so that it ends well."""

from __future__ import annotations

import asyncio
import getpass
import os
import signal
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import click

from config.logging import configure_logging
from config.scrub import SecretScrubber
from config.settings import Settings

_T = TypeVar("_T")
_QUIET = "warning"


class Terminated(BaseException):
    """SIGTERM came; like KeyboardInterrupt it is no error that anybody should handle on the way."""


@dataclass(slots=True)
class Session:
    """One call of `consignd`. The settings are read when a command first asks for them."""

    file: Path | None = None
    log_level: str | None = None
    scrubber: SecretScrubber = field(default_factory=SecretScrubber)
    _settings: Settings | None = None

    @property
    def shows_traces(self) -> bool:
        """Whether an error is shown with its trace."""
        return self.log_level == "debug"

    @property
    def actor(self) -> str:
        """Who answers for what the command does, as the audit names them."""
        return f"cli:{_user()}"

    def settings(self, *, as_configured: bool = False) -> Settings:
        """The settings, read once. Logging is set up by them: `as_configured`, or else quietly."""
        if self._settings is None:
            self._settings = Settings.load(self.file)
            self.scrubber.register(self._settings.secret_values())
            log = self._settings.log
            level = self.log_level or (log.level if as_configured else _QUIET)
            configure_logging(level, log.format, scrubber=self.scrubber)
        return self._settings

    def drive(self, work: Coroutine[None, None, _T]) -> _T:
        """Run a command's work to its end; Ctrl-C and SIGTERM cancel it, so that it can clean up."""
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            return runner.run(_terminable(work))


async def _terminable(work: Coroutine[None, None, _T]) -> _T:
    """Runner turns SIGINT into a cancellation; the same for SIGTERM, which would leave a server behind."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None, "a runner runs its coroutine in a task"
    told: list[int] = []

    def end() -> None:
        told.append(signal.SIGTERM)
        task.cancel()

    loop.add_signal_handler(signal.SIGTERM, end)
    try:
        return await work
    except asyncio.CancelledError:
        if told:
            raise Terminated from None
        raise
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return str(os.geteuid())


pass_session = click.make_pass_decorator(Session, ensure=True)
