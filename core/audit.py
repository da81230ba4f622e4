"""Writes down who did what to what, and why, in the transaction that does it."""

from __future__ import annotations

from datetime import datetime

from core.db.pool import Connection
from core.db.queries import load_queries
from core.errors import InvalidInput

_ADD_AUDIT = load_queries("core", "audit.sql")["add_audit"]


async def note(conn: Connection, *, at: datetime, actor: str, action: str, subject: str, reason: str) -> None:
    """Leave an audit row; InvalidInput without a reason."""
    assert conn.is_in_transaction(), "the audit row stands or falls with what it tells of"
    if not reason.strip():
        raise InvalidInput(f"{action} of {subject}: say why; the reason is kept")
    await conn.execute(_ADD_AUDIT, at, actor, action, subject, reason.strip())
