"""Tells which parts of the picture have changed since somebody looked last."""

from __future__ import annotations

from collections.abc import Mapping

from core.db.pool import Connection
from core.db.queries import load_queries

_MARKS = load_queries("core.views", "changes.sql")["marks"]

PARTS = ("orders", "stock", "channels", "money", "alerts", "prices", "coupons", "groups", "buyers")

Marks = Mapping[str, str]


async def read_marks(conn: Connection) -> Marks:
    """A mark for each part; compare it with an earlier one by `changed`."""
    row = await conn.fetchrow(_MARKS)
    assert row is not None, "the statement answers with one row"
    return {part: str(row[part]) for part in PARTS}


def changed(before: Marks, now: Marks) -> list[str]:
    """The parts whose marks differ."""
    return [part for part in PARTS if before.get(part) != now[part]]
