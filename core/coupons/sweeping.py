"""Moves what time and orders say of coupons: baskets paid or given up, refunds, buyers to be reminded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from core.coupons.checkout import Checkout
from core.coupons.uses import PAID
from core.db.pool import Connection, Pool, Record
from core.db.queries import load_queries
from core.errors import ConsigndError

_SQL = load_queries("core.coupons", "sweeping.sql")
_USES_TO_MOVE = _SQL["uses_to_move"]
_SETTLE_USES = _SQL["settle_uses"]
_TRY_LOCK = _SQL["try_lock"]
_CURSOR = _SQL["cursor"]
_MOVE_CURSOR = _SQL["move_cursor"]
_REFUNDED_USES = _SQL["refunded_uses"]
_REMIND = _SQL["remind"]

_AT_ONCE = 500
_ACTOR = "consignd"


@dataclass(frozen=True, slots=True)
class Swept:
    """How many uses were given, released and given back, how many buyers are to be reminded, what failed."""

    confirmed: int = 0
    released: int = 0
    returned: int = 0
    reminded: int = 0
    failed: tuple[str, ...] = ()


class CouponSweep:
    """One round after the other; what one daemon has done, the others leave."""

    def __init__(self, pool: Pool, checkout: Checkout) -> None:
        self._pool = pool
        self._checkout = checkout

    async def run(self, now: datetime) -> Swept:
        """Whatever is due now. A use that cannot be moved keeps none of the others."""
        confirmed, released, returned, failed = await self._follow(now)
        taken_back, apart = await self._refunds(now)
        reminded = await self._remind(now)
        return Swept(confirmed, released, returned + taken_back, reminded, (*failed, *apart))

    async def _follow(self, now: datetime) -> tuple[int, int, int, list[str]]:
        rows = await self._pool.fetch(_USES_TO_MOVE, now, _AT_ONCE, sorted(PAID))
        await self._pool.execute(_SETTLE_USES, [row["use_id"] for row in rows if row["what"] == "settle"])
        counts = {"confirm": 0, "release": 0, "give back": 0}
        failed = []
        for row in rows:
            if row["what"] in counts:
                problem = await self._move(row, row["what"], now)
                counts[row["what"]] += problem is None
                failed += [problem] if problem else []
        return counts["confirm"], counts["release"], counts["give back"], failed

    async def _move(self, row: Record, what: str, now: datetime) -> str | None:
        """One use in a transaction of its own; what was wrong with it."""
        channel, ref = row["channel"], row["basket_ref"]
        try:
            async with self._pool.acquire() as conn, conn.transaction():
                if what == "confirm":
                    await self._checkout.confirm(conn, channel, ref, now, actor=_ACTOR)
                elif what == "release":
                    await self._checkout.release(conn, channel, ref, now, actor=_ACTOR, reason="not paid")
                else:
                    why = "the order was taken back"
                    await self._checkout.give_back(conn, channel, ref, now, actor=_ACTOR, reason=why)
        except ConsigndError as error:
            return str(error)
        return None

    async def _refunds(self, now: datetime) -> tuple[int, list[str]]:
        """Read on in the journal. The cursor moves last: a stretch that was cut short is read again."""
        async with self._pool.acquire() as conn, conn.transaction():
            if not await conn.fetchval(_TRY_LOCK):
                return 0, []
            cursor = await conn.fetchrow(_CURSOR)
            assert cursor is not None, "its row is never deleted"
            rows = await conn.fetch(_REFUNDED_USES, cursor["written_in"], cursor["horizon"])
        problems = [await self._move(row, "give back", now) for row in rows]
        await self._pool.execute(_MOVE_CURSOR, cursor["horizon"])
        failed = [problem for problem in problems if problem is not None]
        return len(rows) - len(failed), failed

    async def _remind(self, now: datetime) -> int:
        async with self._pool.acquire() as conn, conn.transaction():
            return await remind(conn, now)


async def remind(conn: Connection, now: datetime) -> int:
    """Note which buyers are to be told now that a coupon runs out; how many. Each day of a coupon once."""
    if not await conn.fetchval(_TRY_LOCK):
        return 0
    return len(await conn.fetch(_REMIND, now))
