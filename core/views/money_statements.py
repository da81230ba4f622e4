"""Tells channels' statements month by month: what was told, what of it differs or waits, what is late."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from core.db.pool import Connection
from core.db.queries import load_queries

_MONTHS = load_queries("core.views", "money_statements.sql")["statement_months"]


@dataclass(frozen=True, slots=True)
class StatementMonth:
    """A channel's month in a currency. What is told and neither waits nor differs is matched.

    `late`: ours that the channel should have told; `expected`: ours that it may still tell in time.
    """

    channel: str
    month: date
    currency: str
    lines: int
    told_minor: int
    waiting: int
    waiting_minor: int
    open: int
    open_minor: int
    late: int
    late_minor: int
    expected_minor: int

    @property
    def matched_minor(self) -> int:
        """What is ours, was booked, or was settled by a person."""
        return self.told_minor - self.waiting_minor - self.open_minor


async def statement_months(
    conn: Connection, channel: str | None, since: datetime
) -> tuple[StatementMonth, ...]:
    """Months of a channel, or of all, the newest first."""
    rows = await conn.fetch(_MONTHS, channel, since)
    return tuple(StatementMonth(**dict(row)) for row in rows)
