"""Decides which daemon drives which channel: leases that run out, shared evenly among the living."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from datetime import datetime

from core.db.pool import Pool
from core.db.queries import load_queries
from core.types import ChannelId

_SQL = load_queries("core.db", "leases.sql")
_BEAT = _SQL["beat"]
_FORGET_DEAD = _SQL["forget_dead"]
_COUNT_ALIVE = _SQL["count_alive"]
_RENEW = _SQL["renew"]
_TAKE = _SQL["take"]
_FREE_CHANNELS = _SQL["free_channels"]
_GIVE_UP = _SQL["give_up"]
_RESIGN = _SQL["resign"]
_NOTE_HEALTH = _SQL["note_health"]


class Leases:
    """One daemon's leases. All times are the database's, so clocks of machines may differ."""

    def __init__(self, pool: Pool, holder: str, lease_seconds: float) -> None:
        self._pool = pool
        self._holder = holder
        self._lease_seconds = lease_seconds

    async def turn(self, wanted: Sequence[ChannelId], held: Collection[ChannelId]) -> set[ChannelId]:
        """Renew what is held and take what is free, up to our share; what is to be driven from now on.

        Call it at least three times per lease. What was held and is not in the answer is lost already, or
        more than our share: stop driving it, and then give it up. A free channel beyond our share is left to
        the others for a lease's length, then taken all the same.
        """
        await self._pool.execute(_BEAT, self._holder)
        alive: int = await self._pool.fetchval(_COUNT_ALIVE, self._lease_seconds)
        fair = math.ceil(len(wanted) / max(alive, 1))
        rows = await self._pool.fetch(_RENEW, self._holder, sorted(held), self._lease_seconds)
        kept = sorted(ChannelId(row["channel_id"]) for row in rows)
        if len(kept) > fair:
            return set(kept[:fair])
        free = await self._pool.fetch(_FREE_CHANNELS, wanted)
        overdue = [ChannelId(row["channel_id"]) for row in free if row["idle_seconds"] > self._lease_seconds]
        others = [ChannelId(row["channel_id"]) for row in free if ChannelId(row["channel_id"]) not in overdue]
        takes = overdue + others[: max(fair - len(kept) - len(overdue), 0)]
        rows = await self._pool.fetch(_TAKE, self._holder, takes, self._lease_seconds)
        return {*kept, *(ChannelId(row["channel_id"]) for row in rows)}

    async def give_up(self, channel_ids: Sequence[ChannelId]) -> None:
        """Let others drive these channels from now on."""
        await self._pool.execute(_GIVE_UP, self._holder, channel_ids)

    async def resign(self, held: Sequence[ChannelId]) -> None:
        """Leave everything to the others at once, at a graceful stop."""
        await self.give_up(held)
        await self._pool.execute(_RESIGN, self._holder)
        await self._pool.execute(_FORGET_DEAD)


async def note_health(
    pool: Pool, channel_id: ChannelId, subject: str, *, ok: bool, detail: str, now: datetime
) -> None:
    """Write down how one side of a channel is doing, for people and for readiness."""
    await pool.execute(_NOTE_HEALTH, channel_id, subject, ok, detail, now)
