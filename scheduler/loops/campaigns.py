"""Gives what campaigns promise every few seconds in every daemon; daemons take turns by themselves."""

from __future__ import annotations

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from core.campaigns.granting import Granting
from core.campaigns.paying import CouponDoor, Payer
from core.campaigns.sealing import SeedSeal
from core.db.pool import DATABASE_FAILURES, Pool
from core.errors import ConsigndError
from core.money.booking import Booker
from core.wallets.points import Points
from core.wallets.wallets import Wallets
from scheduler.composition import Core, read_keyring, utc_now
from scheduler.points_terms import programmes

CAMPAIGNS_SECONDS = 5.0
# A round ends after so many batches, so that a daemon that stops is not kept; the next one goes on.
MOST_BATCHES = 50
_FAILURES: tuple[type[Exception], ...] = (ConsigndError, *DATABASE_FAILURES)

_log = structlog.get_logger()


class CampaignGiver:
    """One round after the other; it goes on after the database was away, and says so once."""

    def __init__(self, granting: Granting) -> None:
        self._granting = granting
        self._failing = False

    async def tick(self) -> None:
        """Batch by batch, each a transaction of its own; what one daemon does, the others leave."""
        try:
            for _ in range(MOST_BATCHES):
                done = await self._granting.work()
                if done.granted or done.taken_back:
                    _log.info("campaigns.given", granted=done.granted, taken_back=done.taken_back)
                if not done.more:
                    break
        except _FAILURES as error:
            if not self._failing:
                _log.warning("sweep.failing", subject="campaigns", error=f"{type(error).__name__}: {error}")
            self._failing = True
        else:
            self._failing = False


def payer_of(core: Core, coupons: CouponDoor | None) -> Payer:
    """What rewards are paid in, as the settings have it."""
    pool: Pool = core.pool
    booker = Booker(pool)
    points = Points(pool, programmes(core.settings), booker)
    return Payer(Wallets(pool, booker), points, coupons, booker)


def open_seal(core: Core) -> SeedSeal:
    """What seals the seeds of draws; it takes up keys that were added since."""
    return SeedSeal(core.vault, lambda: read_keyring(core.settings))


def add_campaigns(timetable: AsyncIOScheduler, core: Core, coupons: CouponDoor | None = None) -> None:
    """Have it done."""
    giver = CampaignGiver(Granting(core.pool, payer_of(core, coupons), open_seal(core), utc_now))
    timetable.add_job(giver.tick, "interval", seconds=CAMPAIGNS_SECONDS, max_instances=1)
