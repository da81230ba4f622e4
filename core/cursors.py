"""Remembers how far each channel has been read on a subject: its orders, its payouts, our own marks."""

from __future__ import annotations

from datetime import datetime

from core.db.pool import Connection
from core.db.queries import load_queries
from core.types import ChannelId

_SQL = load_queries("core", "cursors.sql")
_MOVE_CURSOR = _SQL["move_cursor"]
_READ_CURSOR = _SQL["read_cursor"]


async def read_cursor(conn: Connection, channel_id: ChannelId, subject: str) -> str | None:
    """How far a channel has been read on a subject; None before the first time."""
    position: str | None = await conn.fetchval(_READ_CURSOR, channel_id, subject)
    return position


async def move_cursor(
    conn: Connection, channel_id: ChannelId, subject: str, position: str, now: datetime
) -> None:
    """Write down how far a channel has been read, in the caller's transaction."""
    await conn.execute(_MOVE_CURSOR, channel_id, subject, position, now)
