"""Looks at what alerts watch and sends what is to be told, in every daemon: they take turns by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from prometheus_client import CollectorRegistry, Counter, Gauge

from core.alerts.incidents import IncidentBook
from core.alerts.notices import Message, NoticeBox, Outcome
from core.db.pool import DATABASE_FAILURES
from core.errors import ConsigndError
from scheduler.notify import CLAIM_SECONDS, Messenger, Sent

SEND_SECONDS = 5.0
# A service that hangs must not keep the others waiting, nor a storm take all connections.
_AT_ONCE = 4
_MOST_AT_A_TIME = 100
_STOP_SECONDS = 5.0
_FAILURES: tuple[type[Exception], ...] = (ConsigndError, *DATABASE_FAILURES)

_log = structlog.get_logger()


class AlertMetrics:
    """What Prometheus is told of alerts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.changes = Counter(
            "consignd_alerts", "Alerts raised, ended and reminded of.", ["change"], registry=registry
        )
        self.attempts = Counter(
            "consignd_alert_messages",
            "Attempts to send a message, by how they ended.",
            ["route", "outcome"],
            registry=registry,
        )
        self.waiting = Gauge("consignd_alert_messages_waiting", "Messages to be sent.", registry=registry)
        self.dead = Gauge("consignd_alert_messages_dead", "Messages that were given up.", registry=registry)
        self.up = Gauge(
            "consignd_alerts_up", "1 while looking and sending succeed.", ["part"], registry=registry
        )


class AlertDesk:
    """One daemon's share: it looks when nobody else does, and sends what nobody else has claimed."""

    def __init__(
        self, book: IncidentBook, box: NoticeBox, messenger: Messenger, metrics: AlertMetrics
    ) -> None:
        self._book = book
        self._box = box
        self._messenger = messenger
        self._metrics = metrics
        self._ill: set[str] = set()
        self._unmeasured: tuple[str, ...] = ()
        self._sending: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._woken = asyncio.Event()

    @asynccontextmanager
    async def on(self, timetable: AsyncIOScheduler, sweep_seconds: float) -> AsyncIterator[None]:
        """Look and send as long as this is held; then let what is being sent end for some seconds."""
        job = timetable.add_job(self._look_and_wake, "interval", seconds=sweep_seconds, max_instances=1)
        sender = asyncio.create_task(self._send_until_stopped())
        try:
            yield
        finally:
            job.remove()
            self._stopping = True
            self._woken.set()
            await self._finish(sender)

    async def look(self) -> None:
        """One sweep, unless another daemon is at it."""
        await self._kept("look", self._look)

    async def send(self) -> None:
        """Send what is due until nothing is."""
        await self._kept("send", self._send)

    async def sent(self) -> None:
        """Wait until everything that is being sent has come to its end."""
        while self._sending:
            await asyncio.wait(set(self._sending))

    async def _look_and_wake(self) -> None:
        await self.look()
        self._woken.set()

    async def _send_until_stopped(self) -> None:
        """Apart from looking: a service that hangs must not keep us from seeing what goes on."""
        while not self._stopping:
            try:
                await self.send()
            except Exception:  # a mistake of ours in one message must not end the telling of all
                _log.exception("alerts.crashed")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), SEND_SECONDS)
            self._woken.clear()

    async def _look(self) -> None:
        swept = await self._book.sweep()
        if swept is None:
            return
        for change, count in (
            ("raised", swept.raised),
            ("recovered", swept.recovered),
            ("reminded", swept.reminded),
        ):
            self._metrics.changes.labels(change).inc(count)
        if swept.raised or swept.recovered or swept.reminded:
            _log.info(
                "alerts.changed",
                raised_count=swept.raised,
                recovered_count=swept.recovered,
                reminded_count=swept.reminded,
            )
        if swept.unmeasured and swept.unmeasured != self._unmeasured:
            _log.warning("alerts.not_measured", what=swept.unmeasured)
        self._unmeasured = swept.unmeasured

    async def _send(self) -> None:
        await self._box.write()
        for _ in range(_MOST_AT_A_TIME):
            while len(self._sending) >= _AT_ONCE:
                await asyncio.wait(self._sending, return_when=asyncio.FIRST_COMPLETED)
            if self._stopping:
                break
            message = await self._box.claim(CLAIM_SECONDS)
            if message is None:
                break
            task = asyncio.create_task(self._deliver(message))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        backlog = await self._box.backlog()
        self._metrics.waiting.set(backlog.waiting)
        self._metrics.dead.set(backlog.dead)

    async def _deliver(self, message: Message) -> None:
        sent = await self._messenger.send(message.route, message.text)
        # Once it is sent, nothing may keep that from being written down.
        await asyncio.shield(self._settle(message, sent))

    async def _settle(self, message: Message, sent: Sent) -> None:
        self._metrics.attempts.labels(message.route, sent.outcome.value).inc()
        if sent.outcome is not Outcome.SENT:
            _log.warning(
                "alert.not_sent",
                route=message.route,
                message_id=message.message_id,
                attempts=message.attempts,
                outcome=sent.outcome.value,
                error=sent.error,
            )
        try:
            if not await self._box.settle(message, sent.outcome, sent.error):
                _log.warning("alert.settled_late", route=message.route, message_id=message.message_id)
        except DATABASE_FAILURES as error:
            # Its claim runs out, and it is sent once more, as one that may be a repetition.
            _log.warning("alert.not_settled", message_id=message.message_id, error=type(error).__name__)

    async def _kept(self, part: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do it; a failure is told once, and the next round tries again."""
        try:
            await work()
        except _FAILURES as error:
            if part not in self._ill:
                _log.warning("alerts.failing", part=part, error=f"{type(error).__name__}: {error}")
            self._ill.add(part)
            self._metrics.up.labels(part).set(0)
            return
        if part in self._ill:
            _log.info("alerts.back", part=part)
        self._ill.discard(part)
        self._metrics.up.labels(part).set(1)

    async def _finish(self, sender: asyncio.Task[None]) -> None:
        under_way = {sender, *self._sending}
        _, late = await asyncio.wait(under_way, timeout=_STOP_SECONDS)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
