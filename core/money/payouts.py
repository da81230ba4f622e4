"""Keeps the lines of a channel's own ledger of our account, as they were told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core.db.pool import Connection
from core.db.queries import load_queries
from core.money.money import Money
from core.types import ChannelId

_SQL = load_queries("core.money", "payouts.sql")
_OPEN_MONTHS = _SQL["open_months"]
_KEEP_LINES = _SQL["keep_lines"]
_RESTATED = _SQL["restated"]


@dataclass(frozen=True, slots=True)
class ToldLine:
    """A line of the channel's ledger; positive amounts are ours. `kind` is the kit's PayoutKind."""

    line_ref: str
    kind: str
    amount: Money
    booked_at: datetime
    order_ref: str | None
    listing_ref: str | None


@dataclass(frozen=True, slots=True)
class Restated:
    """A line that is told again with other money than before; what was told first is kept."""

    line_ref: str
    before: Money
    now: Money


async def keep_lines(
    conn: Connection,
    channel_id: ChannelId,
    lines: Sequence[ToldLine],
    now: datetime,
    statement_id: int | None = None,
) -> int:
    """Store lines that are new, and have them judged; how many were. Pulled ones belong to their month."""
    if statement_id is None:
        await conn.execute(_OPEN_MONTHS, channel_id, [line.booked_at for line in lines], now)
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
        statement_id,
    )
    return int(done.rpartition(" ")[2])


async def restated(conn: Connection, channel_id: ChannelId, lines: Sequence[ToldLine]) -> list[Restated]:
    """Which of these lines were told before with another amount or currency."""
    rows = await conn.fetch(
        _RESTATED,
        channel_id,
        [line.line_ref for line in lines],
        [line.amount.amount_minor for line in lines],
        [line.amount.currency for line in lines],
    )
    return [
        Restated(
            row["line_ref"],
            Money(int(row["amount_minor"]), row["currency"]),
            Money(int(row["told_minor"]), row["told_currency"]),
        )
        for row in rows
    ]
