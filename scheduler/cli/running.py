"""Runs the daemon until it is told to stop, and sees to it that it then stops."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import sys
from pathlib import Path

import click
import structlog
import uvloop

from config.settings import Settings
from core.errors import InvalidInput
from scheduler.cli.session import Session
from scheduler.collector import spare_collector
from scheduler.composition import open_channels, open_core
from scheduler.daemon import Daemon
from scheduler.tokens import local_token, token_file

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_STOP_SECONDS = 9.5

_log = structlog.get_logger()


@click.command("run")
@click.option("--config", "file", type=click.Path(path_type=Path), help="The same as before the command.")
@click.pass_context
def run(ctx: click.Context, file: Path | None) -> None:
    """Run the daemon: publish, take orders, deliver, serve the API and the console, until Ctrl-C.

    SIGINT and SIGTERM stop it gracefully within 10 seconds; a second one stops it at once. Either way
    nothing is lost. The address and, if no token is configured, the file of the API's token are logged.
    """
    session = ctx.ensure_object(Session)
    if file is not None:
        session.file = file
    settings = session.settings(as_configured=True)
    for warning in settings.warnings:
        _log.warning("settings.unwise", problem=str(warning))
    if not settings.api.tokens:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        session.scrubber.register([local_token(settings)])
        _log.info("api.admitted", role="admin", by="what this file holds", file=str(token_file(settings)))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_Watch(settings).run())


class _Watch:
    """One run of the daemon under the signals."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stop = asyncio.Event()
        self._starting: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Run until a signal comes; cut off what has not started by then, let what runs end by itself."""
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._told, number)
        self._starting = asyncio.create_task(self._serve(), name="daemon")
        try:
            await self._starting
        except asyncio.CancelledError:
            if not self._stop.is_set():
                raise

    async def _serve(self) -> None:
        async with open_core(self._settings) as core, open_channels(core) as channels:
            daemon = Daemon(core, channels)
            self._starting = None
            spare_collector()
            try:
                await daemon.run(self._stop)
            except OSError as error:
                raise self._taken(error) from error

    def _taken(self, error: OSError) -> Exception:
        """What to do about an address where we cannot listen."""
        if error.errno not in (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES):
            return error
        web = self._settings.web
        return InvalidInput(
            f"web: cannot listen on {web.host} port {web.port} ({os.strerror(error.errno)}): stop what "
            "listens there, or choose another [web] port (CONSIGND_WEB__PORT)"
        )

    def _told(self, number: signal.Signals) -> None:
        if self._stop.is_set():
            _leave_at_once(number)
        _log.info("daemon.stopping", signal=number.name)
        self._stop.set()
        asyncio.get_running_loop().call_later(_STOP_SECONDS, _leave_at_once, number)
        if self._starting is not None:
            self._starting.cancel()


def _leave_at_once(number: signal.Signals) -> None:
    """What is written stands, and whoever starts next takes over; an own PostgreSQL runs on until then."""
    _log.warning("daemon.stopped_at_once", signal=number.name)
    sys.stderr.flush()
    os._exit(128 + number)
