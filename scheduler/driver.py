"""Drives one channel while this daemon holds its lease: its loops, and what wakes them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from connectors.kit.abilities import (
    ListsOffers,
    PublishesOffers,
    PullsOrders,
    RegistersCallbacks,
    ReportsPayouts,
)
from core.db.leases import note_health
from core.db.pool import Pool
from core.money.statements.book import StatementBook
from core.money.statements.terms import MatchTerms
from core.offers.closures.guarding import Guard
from core.offers.drift.reconciling import Reconciliation
from core.offers.outbox import Outbox
from core.offers.terms import ChannelTerms
from core.orders.fulfilment import Fulfilment
from core.orders.intake import Intake
from scheduler.composition import utc_now
from scheduler.loops.deliver import Deliverer
from scheduler.loops.guard import GuardWatch
from scheduler.loops.loop import Health, Loop, Work
from scheduler.loops.prices import PricePace, price_work
from scheduler.loops.pull import Puller
from scheduler.loops.push import Pusher
from scheduler.loops.reconcile import PayoutReader, Reconciler
from scheduler.loops.statements import StatementMatcher
from web.services import ServedChannel

_SEEN_EVERY_SECONDS = 30.0
_STOP_SECONDS = 6.0
_REGISTER_SECONDS = 300.0
_GUARD_SECONDS = 2.0

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Pace:
    """How often each loop of a channel goes round at least."""

    push_seconds: float
    deliver_seconds: float
    pull_seconds: float
    reconcile_seconds: float
    payouts_seconds: float
    prices: PricePace = field(default_factory=PricePace)


@dataclass(frozen=True, slots=True)
class Drive:
    """What a driver needs of the rest of the house."""

    pool: Pool
    outbox: Outbox
    intake: Intake
    fulfilment: Fulfilment
    guard: Guard
    timetable: AsyncIOScheduler
    # Where the channel's callbacks arrive; None when the daemon cannot be reached from outside.
    callback_url: Callable[[str], str] | None
    note: Callable[[str, str, bool], None]
    # Seconds from sales elsewhere to the acknowledgement of what was left, by channel.
    note_lags: Callable[[str, Sequence[float]], None]
    # Stock is shared: what one channel sells, or gives back, every channel has to show.
    wake_pushes: Callable[[], None]
    # How the channel's lines are held against ours; None: by nobody here.
    match_terms: MatchTerms | None = None


class ChannelDriver:
    """The loops of one channel. Start it when the lease is taken, stop it before the lease is given up."""

    def __init__(self, channel: ServedChannel, drive: Drive, pace: Pace) -> None:
        self.channel = channel
        self._drive = drive
        self._pace = pace
        self._loops: dict[str, tuple[Loop, float]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._health_told: dict[str, tuple[bool, float]] = {}
        self._make_loops()

    @property
    def terms(self) -> ChannelTerms:
        """The terms of the channel."""
        return self.channel.terms

    def _make_loops(self) -> None:
        """A loop for each ability that the connector has."""
        drive, terms, connector, pace = self._drive, self.terms, self.channel.connector, self._pace
        wake_push = self._waker("push")
        deliverer = Deliverer(
            drive.fulfilment, drive.outbox, drive.guard, terms, connector, drive.wake_pushes
        )
        self._add("deliver", deliverer.deliver, pace.deliver_seconds)
        puller = None
        if isinstance(connector, PublishesOffers):
            pusher = Pusher(drive.outbox, terms, connector, connector.traits, drive.note_lags)
            self._add("push", pusher.push, pace.push_seconds)
        if isinstance(connector, PullsOrders):
            puller = Puller(drive.pool, drive.intake, terms, connector, utc_now, self._taken_in)
            self._add("pull", puller.pull, pace.pull_seconds)
        if isinstance(connector, ListsOffers):
            pull = puller.pull if puller else None
            compared = Reconciliation(drive.pool, utc_now)
            reconciler = Reconciler(drive.outbox, compared, terms, connector, utc_now, pull, wake_push)
            self._add("reconcile", reconciler.reconcile, pace.reconcile_seconds)
        for subject, work, every_seconds in price_work(drive.pool, terms, connector, pace.prices, wake_push):
            self._add(subject, work, every_seconds)
        if terms.guard.lines:
            self._add(
                "guard",
                GuardWatch(drive.guard, terms, self._note_health, drive.wake_pushes).watch,
                _GUARD_SECONDS,
            )
        if drive.match_terms is not None:
            matcher = StatementMatcher(StatementBook(drive.pool, utc_now), drive.match_terms)
            self._add("statements", matcher.match, pace.payouts_seconds)
        if isinstance(connector, ReportsPayouts):
            self._add(
                "payouts", PayoutReader(drive.pool, terms, connector, utc_now).read, pace.payouts_seconds
            )
        if isinstance(connector, RegistersCallbacks) and drive.callback_url is not None:
            register = partial(connector.register_callbacks, drive.callback_url(terms.name))
            # Again and again: a marketplace may drop an address without a word, as after an outage of ours.
            self._add("callbacks", register, _REGISTER_SECONDS)

    def _add(self, subject: str, work: Work, every_seconds: float) -> None:
        health: Health = self._note_health
        self._loops[subject] = (Loop(self.terms.name, subject, work, health), every_seconds)

    def _waker(self, subject: str) -> Callable[[], None]:
        return lambda: self.wake(subject)

    def _taken_in(self) -> None:
        """Orders came in: theirs are to be delivered, and what they took or gave back is shown everywhere."""
        self.wake("deliver")
        self._drive.wake_pushes()

    async def start(self) -> None:
        """Take over what was under way, tell the channel where to call us, and set the loops going."""
        await self._drive.fulfilment.adopt(self.terms)
        # New terms mean new quantities and prices for everything on the channel.
        await self._drive.outbox.follow_terms(self.terms.channel_id)
        for subject, (loop, every_seconds) in self._loops.items():
            self._tasks.append(
                asyncio.create_task(self._supervise(loop), name=f"{self.terms.name}.{subject}")
            )
            self._drive.timetable.add_job(
                loop.tick,
                "interval",
                seconds=every_seconds,
                id=self._job_id(subject),
                coalesce=True,
                # A tick that comes late is as good as one on time.
                misfire_grace_time=None,
                replace_existing=True,
            )
            loop.wake()
        plan = self.terms.plan
        _log.info(
            "channel.driven",
            channel=self.terms.name,
            loops=sorted(self._loops),
            plan=plan.name,
            version=plan.version,
        )

    async def stop(self) -> None:
        """Let what is being done end for a few seconds, then cut it off; nothing is lost by that."""
        for subject, (loop, _) in self._loops.items():
            if self._drive.timetable.get_job(self._job_id(subject)):
                self._drive.timetable.remove_job(self._job_id(subject))
            loop.stop()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=_STOP_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        _log.info("channel.left", channel=self.terms.name)

    def wake(self, *subjects: str) -> None:
        """Have these loops look at once; all of them when none is named."""
        for subject in subjects or tuple(self._loops):
            if subject in self._loops:
                self._loops[subject][0].wake()

    async def _supervise(self, loop: Loop) -> None:
        """A bug in one loop must not stop the others: it is logged with its trace and the loop goes on."""
        while True:
            try:
                await loop.run()
            except Exception:
                _log.exception("loop.crashed", channel=self.terms.name)
                await asyncio.sleep(1.0)
                loop.wake()
            else:
                return

    async def _note_health(self, subject: str, ok: bool, detail: str) -> None:
        """Written when it changes, and now and then so that people see it is alive."""
        self._drive.note(self.terms.name, subject, ok)
        now = asyncio.get_running_loop().time()
        was_ok, at = self._health_told.get(subject, (None, 0.0))
        if was_ok is ok and now - at < _SEEN_EVERY_SECONDS:
            return
        self._health_told[subject] = (ok, now)
        await note_health(
            self._drive.pool, self.terms.channel_id, subject, ok=ok, detail=detail, now=utc_now()
        )

    def _job_id(self, subject: str) -> str:
        return f"{self.terms.name}.{subject}"
