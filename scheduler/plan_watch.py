"""Takes split plans that people publish into the terms of running channels, without a restart."""

from __future__ import annotations

from dataclasses import replace

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from core.db.pool import DATABASE_FAILURES
from core.errors import ConsigndError
from core.money.published import latest_plans
from scheduler.composition import Channels, Core, terms_now
from scheduler.split_plans import published_names

PLANS_SECONDS = 10.0
_FAILURES: tuple[type[Exception], ...] = (ConsigndError, *DATABASE_FAILURES)

_log = structlog.get_logger()


class PlanWatch:
    """Looks for newer versions of published plans. Who drives a channel sees that its terms are others."""

    def __init__(self, core: Core, channels: Channels) -> None:
        self._core = core
        self._channels = channels
        self._names = published_names(core.settings)
        self._seen = {
            plan_id
            for terms in channels.terms().values()
            for plan_id in (terms.plan_id, *(choice.plan_id for choice in terms.plan_choices))
        }

    def on(self, timetable: AsyncIOScheduler) -> None:
        """Look every few seconds, where settings leave any plan to whoever publishes."""
        if self._names:
            timetable.add_job(self.tick, "interval", seconds=PLANS_SECONDS, max_instances=1)

    async def tick(self) -> None:
        """Whatever is newer; a database that is away is asked again next time."""
        try:
            await self._renew()
        except _FAILURES as error:
            _log.warning("plans.not_renewed", error=f"{type(error).__name__}: {error}")

    async def _renew(self) -> None:
        async with self._core.pool.acquire() as conn:
            newest = {plan_id for plan_id, _ in (await latest_plans(conn, self._names)).values()}
        if newest <= self._seen:
            return
        for name, channel in list(self._channels.by_name.items()):
            terms = await terms_now(self._core, name, channel.connector)
            if terms != channel.terms:
                self._channels.by_name[name] = replace(channel, terms=terms)
                self._channels.terms_by_id[terms.channel_id] = terms
                _log.info("plan.taken_up", channel=name, plan=terms.plan.name, version=terms.plan.version)
        self._seen |= newest
