"""Moves what time and orders say of coupons, in every daemon; what one has done, the others leave."""

from __future__ import annotations

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from core.coupons.coupons import Coupons
from core.db.pool import DATABASE_FAILURES, Pool
from core.errors import ConsigndError
from scheduler.composition import utc_now

COUPONS_SECONDS = 15.0
_FAILURES: tuple[type[Exception], ...] = (ConsigndError, *DATABASE_FAILURES)

_log = structlog.get_logger()


class CouponRound:
    """One round after the other; it goes on after the database was away, and says so once."""

    def __init__(self, pool: Pool, coupons: Coupons) -> None:
        self._pool = pool
        self._coupons = coupons
        self._published = False
        self._failing = False
        self._failed: frozenset[str] = frozenset()

    async def tick(self) -> None:
        """Whatever is due now; at first, what settings say of series is made known."""
        try:
            if not self._published:
                async with self._pool.acquire() as conn:
                    await self._coupons.publish(conn, utc_now())
                self._published = True
            done = await self._coupons.sweep.run(utc_now())
        except _FAILURES as error:
            if not self._failing:
                _log.warning("sweep.failing", subject="coupons", error=f"{type(error).__name__}: {error}")
            self._failing = True
            return
        self._failing = False
        if done.confirmed + done.released + done.returned + done.reminded:
            _log.info(
                "coupons.swept",
                confirmed=done.confirmed,
                released=done.released,
                returned=done.returned,
                reminded=done.reminded,
            )
        for problem in set(done.failed) - self._failed:
            _log.warning("coupon.not_moved", why=problem)
        self._failed = frozenset(done.failed)


def add_coupon_sweep(timetable: AsyncIOScheduler, pool: Pool, coupons: Coupons) -> None:
    """Have it done."""
    timetable.add_job(CouponRound(pool, coupons).tick, "interval", seconds=COUPONS_SECONDS, max_instances=1)
