"""Decides which loops of a channel have to do with prices, and how often they go round."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from config.settings import Settings
from connectors.kit.abilities import PublishesOffers, QuotesFees, WatchesCompetitors
from connectors.kit.connector import Connector, Options
from core.db.pool import DATABASE_FAILURES, Pool
from core.offers.pricing.changes import prune_fee_quotes
from core.offers.pricing.sightings import prune_sightings
from core.offers.terms import ChannelTerms
from scheduler.composition import utc_now
from scheduler.loops.loop import Work
from scheduler.loops.reprice import Repricer
from scheduler.loops.watch import CompetitorWatch, FeeWatch
from scheduler.rate_fetching import RateFetcher

# A round that finds nothing to do is one small query.
_REPRICE_ROUND_SECONDS = 5.0
_LOOK_ROUND_SECONDS = 2.0
_QUOTE_ROUND_SECONDS = 10.0
_FETCH_ROUND_SECONDS = 60.0
_PRUNE_ROUND_SECONDS = 3600.0
_KEEP_SIGHTINGS = timedelta(days=14)
_KEEP_QUOTES = timedelta(days=30)

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class PricePace:
    """How often prices that move by themselves are recalculated, and rivals looked at."""

    reprice_seconds: float = 120.0
    rivals_seconds: float = 600.0


def price_work(
    pool: Pool,
    terms: ChannelTerms,
    connector: Connector[Options],
    pace: PricePace,
    wake_push: Callable[[], None],
) -> Iterator[tuple[str, Work, float]]:
    """The name, the work and the round of each loop that a channel's abilities and rules ask for."""
    if not isinstance(connector, PublishesOffers):
        return
    repricer = Repricer(pool, terms, utc_now, wake_push, pace.reprice_seconds)
    yield "reprice", repricer.reprice, min(_REPRICE_ROUND_SECONDS, pace.reprice_seconds)
    if isinstance(connector, WatchesCompetitors):
        rivals = CompetitorWatch(pool, terms, connector, utc_now, wake_push, pace.rivals_seconds)
        yield "rivals", rivals.watch, min(_LOOK_ROUND_SECONDS, pace.rivals_seconds)
    if isinstance(connector, QuotesFees):
        yield "fees", FeeWatch(pool, terms, connector, utc_now).quote, _QUOTE_ROUND_SECONDS


def add_price_sweeps(timetable: AsyncIOScheduler, pool: Pool, settings: Settings) -> None:
    """Have rates fetched and old sightings forgotten, in every daemon: what one has done the others leave."""
    if settings.rates.url is not None:
        fetcher = RateFetcher(pool, settings.rates, utc_now)
        timetable.add_job(
            _Sweep("rates", fetcher.sweep).run,
            "interval",
            seconds=min(_FETCH_ROUND_SECONDS, settings.rates.refresh_seconds),
            next_run_time=utc_now(),
        )

    async def prune() -> None:
        await prune_sightings(pool, utc_now() - _KEEP_SIGHTINGS)
        await prune_fee_quotes(pool, utc_now() - _KEEP_QUOTES)

    timetable.add_job(_Sweep("old sightings", prune).run, "interval", seconds=_PRUNE_ROUND_SECONDS)


class _Sweep:
    """A sweep that goes on after the database was away, and says so once."""

    def __init__(self, subject: str, work: Work) -> None:
        self._subject = subject
        self._work = work
        self._failing = False

    async def run(self) -> None:
        try:
            await self._work()
        except DATABASE_FAILURES as error:
            if not self._failing:
                _log.warning("sweep.failing", subject=self._subject, error=f"{type(error).__name__}: {error}")
            self._failing = True
        else:
            self._failing = False
