"""Moves offers whose size hangs on measured sales to be worked out again, as the measurements move on."""

from __future__ import annotations

from datetime import datetime, timedelta

from core.db.pool import Pool
from core.db.queries import load_queries
from core.types import ChannelId

_DIRTY_MOVED = load_queries("core.offers.history", "moved.sql")["dirty_moved"]

# A sale makes its offer dirty by itself; this is for sales elsewhere that fade, and for lags.
_MEASURED_FOR = timedelta(minutes=15)
_MOST_AT_ONCE = 1_000


async def dirty_moved(pool: Pool, channel_id: ChannelId, now: datetime) -> int:
    """Have those of a channel worked out again that were not for a while; how many."""
    told = await pool.execute(_DIRTY_MOVED, channel_id, now, _MEASURED_FOR, _MOST_AT_ONCE)
    return int(told.split()[-1])
