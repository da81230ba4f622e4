"""Moves everything: holds leases, drives the channels it holds, serves the web, keeps the database up."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from uuid import uuid4

import structlog
from aiohttp import web
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from prometheus_client import CollectorRegistry

from core.alerts.incidents import IncidentBook
from core.alerts.notices import NoticeBox
from core.buyers.marks import MarkKey
from core.db.leases import Leases
from core.db.pool import DATABASE_FAILURES
from core.errors import ConsigndError, UnknownChannel
from core.offers.closures.guarding import Guard
from core.offers.drift.reconciling import Reconciliation
from core.offers.history.measuring import Measuring
from core.types import ChannelId
from scheduler.alert_terms import console_url, watch
from scheduler.campaign_terms import PaidIn, draft_campaign
from scheduler.composition import Channels, Core, utc_now
from scheduler.coupon_terms import open_coupons
from scheduler.driver import ChannelDriver, Drive, Pace
from scheduler.loops.alert import AlertDesk, AlertMetrics
from scheduler.loops.buyers import add_mark_sweep
from scheduler.loops.campaigns import add_campaigns, open_seal
from scheduler.loops.coupons import add_coupon_sweep
from scheduler.loops.groups import add_group_sweep
from scheduler.loops.measure import MEASURE_SECONDS, Measurer
from scheduler.loops.prices import PricePace, add_price_sweeps
from scheduler.loops.seal import Sealer
from scheduler.loops.settle import add_settlement_sweep
from scheduler.loops.splits import add_split_sweep
from scheduler.loops.wallets import add_wallet_sweep
from scheduler.metrics import LoopMetrics
from scheduler.notify import Messenger
from scheduler.plan_watch import PlanWatch
from scheduler.points_terms import programmes
from scheduler.settlement_terms import settlement_terms
from scheduler.split_plans import draft_plan, publishable
from scheduler.statement_terms import match_terms
from scheduler.terms import bound_permille, pull_seconds
from scheduler.tokens import api_tokens
from web.app import create_app
from web.services import Readiness, Services

_DELIVER_SECONDS = 1.0
_PAYOUTS_SECONDS = 300.0
_DATABASE_CHECK_SECONDS = 2.0
_CLEAN_SECONDS = 600.0
_GIVE_UP_SECONDS = 2.0
_FAILURES: tuple[type[Exception], ...] = (ConsigndError, *DATABASE_FAILURES)
# A wake-up that comes late is still wanted, once: by itself the timetable drops what is a second late.
_JOB_DEFAULTS = {"coalesce": True, "misfire_grace_time": None}

_log = structlog.get_logger()


class Daemon:
    """One process's share of the work. `run` returns after a graceful stop."""

    def __init__(self, core: Core, channels: Channels) -> None:
        self._core = core
        self._channels = channels
        self._settings = core.settings
        self.registry = CollectorRegistry()
        self._metrics = LoopMetrics(self.registry)
        self._timetable = AsyncIOScheduler(timezone="UTC", job_defaults=_JOB_DEFAULTS)
        self._name = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:6]}"
        self._leases = Leases(core.pool, self._name, self._settings.sync.lease_seconds)
        self._guard = Guard(core.pool, utc_now)
        self._drivers: dict[ChannelId, ChannelDriver] = {}
        self._turned_at = time.monotonic()
        self.address = ""

    async def run(self, stop: asyncio.Event) -> None:
        """Serve and drive until `stop` is set, then leave within seconds."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._serve())
            self._timetable.start()
            stack.callback(self._timetable.shutdown, wait=False)
            self._timetable.add_job(
                self._clean, "interval", seconds=_CLEAN_SECONDS, coalesce=True, misfire_grace_time=None
            )
            measure = Measurer(Measuring(self._core.pool, utc_now)).tick
            self._timetable.add_job(measure, "interval", seconds=MEASURE_SECONDS, max_instances=1)
            add_price_sweeps(self._timetable, self._core.pool, self._settings)
            add_split_sweep(self._timetable, self._core.pool, self._core.ledger, self._channels.terms())
            add_wallet_sweep(self._timetable, self._core.pool)
            add_mark_sweep(self._timetable, self._core.pool, self._settings.buyers.marks_days)
            add_campaigns(self._timetable, self._core, open_coupons(self._core))
            add_coupon_sweep(self._timetable, self._core.pool, open_coupons(self._core))
            add_group_sweep(self._timetable, self._core.pool, self._channels.terms(), self.wake)
            add_settlement_sweep(self._timetable, self._core.pool, self._settings)
            Sealer(self._core.pool).on(self._timetable)
            PlanWatch(self._core, self._channels).on(self._timetable)
            if self._settings.alerts.enabled:
                desk, alerts = self._alert_desk(), self._settings.alerts
                await stack.enter_async_context(desk.on(self._timetable, alerts.sweep_seconds))
            _log.info("daemon.started", daemon=self._name, address=self.address)
            watch = asyncio.create_task(self._watch_database())
            try:
                await self._turn_until(stop)
            finally:
                watch.cancel()
                await asyncio.gather(watch, return_exceptions=True)
                await self._leave()
        _log.info("daemon.stopped", daemon=self._name)

    async def _turn_until(self, stop: asyncio.Event) -> None:
        pause = self._settings.sync.lease_seconds / 5
        while not stop.is_set():
            await self._turn()
            try:
                await asyncio.wait_for(stop.wait(), pause)
            except TimeoutError:
                continue

    async def _turn(self) -> None:
        """Renew and take leases, and drive exactly what we hold."""
        wanted = sorted(self._channels.terms())
        try:
            held = await self._leases.turn(wanted, set(self._drivers))
        except _FAILURES as error:
            _log.warning("lease.not_renewed", error=f"{type(error).__name__}: {error}")
            # Another daemon may drive our channels once the lease has run out.
            if time.monotonic() - self._turned_at > self._settings.sync.lease_seconds:
                await self._drive(set())
            return
        self._turned_at = time.monotonic()
        beyond_share = sorted(set(self._drivers) - held)
        await self._drive(held)
        if beyond_share:
            await self._give_up(beyond_share)

    async def _give_up(self, channel_ids: Sequence[ChannelId]) -> None:
        """Only now that nothing drives them here; what others have taken meanwhile stays theirs."""
        try:
            async with asyncio.timeout(_GIVE_UP_SECONDS):
                await self._leases.give_up(channel_ids)
        except DATABASE_FAILURES as error:
            _log.warning("lease.not_given_up", error=type(error).__name__)

    async def _drive(self, held: set[ChannelId]) -> None:
        terms = self._channels.terms()
        # A driver with terms that have changed makes room for another at once.
        lost = [
            channel_id
            for channel_id, driver in self._drivers.items()
            if channel_id not in held or driver.terms is not terms[channel_id]
        ]
        await asyncio.gather(*(self._drivers.pop(channel_id).stop() for channel_id in lost))
        for channel_id in sorted(held - set(self._drivers)):
            driver = self._make_driver(channel_id)
            try:
                await driver.start()
            except _FAILURES as error:
                _log.warning("channel.not_started", channel=driver.terms.name, error=str(error))
                await driver.stop()
            else:
                self._drivers[channel_id] = driver
        self._metrics.driven(len(self._drivers))

    def _make_driver(self, channel_id: ChannelId) -> ChannelDriver:
        core, sync = self._core, self._settings.sync
        name = self._channels.terms()[channel_id].name
        drive = Drive(
            core.pool,
            self._channels.outbox,
            core.intake,
            core.fulfilment,
            self._guard,
            self._timetable,
            self.callback_url if self._settings.web.public_url else None,
            self._metrics.note,
            self._metrics.note_lags,
            self._wake_pushes,
            match_terms(self._settings, channel_id, name),
        )
        pace = Pace(
            push_seconds=sync.push_interval_seconds,
            deliver_seconds=_DELIVER_SECONDS,
            pull_seconds=pull_seconds(self._settings, self._settings.channels[name]),
            reconcile_seconds=sync.reconcile_interval_seconds,
            payouts_seconds=min(_PAYOUTS_SECONDS, sync.reconcile_interval_seconds),
            prices=PricePace(sync.reprice_interval_seconds, sync.rivals_interval_seconds),
        )
        return ChannelDriver(self._channels.by_name[name], drive, pace)

    def _alert_desk(self) -> AlertDesk:
        pool, watched = self._core.pool, watch(self._settings)
        box = NoticeBox(pool, watched.routes, self._name, console_url(self._settings))
        messenger = Messenger(self._settings.alerts.routes)
        return AlertDesk(IncidentBook(pool, watched), box, messenger, AlertMetrics(self.registry))

    def callback_url(self, channel: str) -> str:
        """Where a channel is to call us."""
        return f"{self._settings.web.public_url}/callbacks/{channel}"

    async def _leave(self) -> None:
        """Stop driving, and let the others have our channels at once."""
        held = sorted(self._drivers)
        await asyncio.gather(*(driver.stop() for driver in self._drivers.values()))
        self._drivers.clear()
        try:
            async with asyncio.timeout(_GIVE_UP_SECONDS):
                await self._leases.resign(held)
        except DATABASE_FAILURES as error:
            _log.warning("lease.not_given_up", error=type(error).__name__)

    async def _watch_database(self) -> None:
        """Start our own server again when it died; a configured one is its operator's."""
        server = self._core.server
        while server is not None:
            await asyncio.sleep(_DATABASE_CHECK_SECONDS)
            try:
                if not await server.alive():
                    _log.warning("postgres.died")
                    await server.start()
            except (ConsigndError, OSError, subprocess.SubprocessError) as error:
                _log.error("postgres.not_revived", error=f"{type(error).__name__}: {error}")

    async def _clean(self) -> None:
        await self._channels.outbox.drop_read_marks()
        await self._guard.drop_old()
        await Reconciliation(self._core.pool, utc_now).drop_old()

    # The web room.

    @asynccontextmanager
    async def _serve(self) -> AsyncIterator[None]:
        written = self._settings.web
        runner = web.AppRunner(create_app(self.services()), access_log=None, shutdown_timeout=3.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, written.host, written.port).start()
            host, port = runner.addresses[0][:2]
            self.address = f"http://{host}:{port}"
            yield
        finally:
            await runner.cleanup()

    def services(self) -> Services:
        """What the web room works with."""
        core, settings = self._core, self._settings
        upload_dir = settings.data_dir / "uploads"
        upload_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Services(
            pool=core.pool,
            now=utc_now,
            allocator=core.allocator,
            intake=core.intake,
            fulfilment=core.fulfilment,
            outbox=self._channels.outbox,
            opener=core.opener,
            importer=core.importer,
            guard=self._guard,
            channels=self._channels.by_name,
            bound_permille=bound_permille(settings),
            lanes=settings.sync.lanes,
            tokens=api_tokens(settings),
            wake=self.wake,
            sync_now=self.sync_now,
            ready=self.ready,
            metrics=self.registry,
            upload_dir=upload_dir,
            read_plan=draft_plan,
            read_campaign=partial(draft_campaign, paid_in=PaidIn.of(settings)),
            publishable=publishable(settings),
            mark_key=MarkKey.of(core.vault),
            programmes=programmes(settings),
            coupons=open_coupons(core),
            seeds=open_seal(core),
            settlement=settlement_terms(settings),
            secure_cookies=(settings.web.public_url or "").startswith("https"),
        )

    def wake(self, channel_id: ChannelId) -> None:
        """Have a channel's loops look at once; stock is shared, so the others push as well."""
        for driven_id, driver in self._drivers.items():
            if driven_id == channel_id:
                driver.wake("push", "deliver")
            else:
                driver.wake("push")

    def _wake_pushes(self) -> None:
        for driver in self._drivers.values():
            driver.wake("push")

    async def sync_now(self, name: str) -> None:
        """Reconcile a channel now, if it is ours; another daemon's comes round by itself."""
        if name not in self._channels.by_name:
            raise UnknownChannel(f"channel {name!r} is not configured")
        driver = self._drivers.get(self._channels.by_name[name].terms.channel_id)
        if driver is not None:
            driver.wake("pull", "reconcile", "push", "payouts", "statements")

    async def ready(self) -> Readiness:
        """Whether the database answers and leases are being renewed."""
        parts = {"database": "ok", "leases": "ok"}
        try:
            async with asyncio.timeout(2.0):
                await self._core.pool.fetchval("SELECT 1")
        except DATABASE_FAILURES as error:
            parts["database"] = f"does not answer ({type(error).__name__})"
        if time.monotonic() - self._turned_at > 2 * self._settings.sync.lease_seconds:
            parts["leases"] = "not renewed"
        return Readiness(all(part == "ok" for part in parts.values()), parts)
