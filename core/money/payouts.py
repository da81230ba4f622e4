"""Keeps the lines of a channel's own ledger of our account, as they were told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core.db.pool import Connection
from core.db.queries import load_queries
from core.money.money import Money
from core.types import ChannelId

_KEEP_LINES = load_queries("core.money", "payouts.sql")["keep_lines"]


@dataclass(frozen=True, slots=True)
class ToldLine:
    """A line of the channel's ledger; positive amounts are ours. `kind` is the kit's PayoutKind."""

    line_ref: str
    kind: str
    amount: Money
    booked_at: datetime
    order_ref: str | None
    listing_ref: str | None


async def keep_lines(
    conn: Connection, channel_id: ChannelId, lines: Sequence[ToldLine], now: datetime
) -> int:
    """Store lines that are new; how many were."""
    done = await conn.execute(
        _KEEP_LINES,
        channel_id,
        [line.line_ref for line in lines],
        [line.kind for line in lines],
        [line.order_ref for line in lines],
        [line.listing_ref for line in lines],
        [line.amount.amount_minor for line in lines],
        [line.amount.currency for line in lines],
        [line.booked_at for line in lines],
        now,
    )
    return int(done.rpartition(" ")[2])
