"""Keeps what failed about one order, so that all others go on, and says when it is tried again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import asyncpg
import structlog

from core.db.pool import Connection
from core.db.queries import load_queries
from core.errors import ConsigndError
from core.types import OrderId

_SQL = load_queries("core.campaigns", "late.sql")
_ADD_LATE = _SQL["add_late"]
_DUE_LATE = _SQL["due_late"]
_DROP_LATE = _SQL["drop_late"]

# What one order's facts can raise, our own mistakes among it. A database that goes away is of no one order.
OF_ONE_ORDER: tuple[type[Exception], ...] = (
    ConsigndError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.DataError,
    asyncpg.RaiseError,
    AssertionError,
    LookupError,
    ArithmeticError,
    ValueError,
)
_LATE_AT_ONCE = 20
_LONGEST_ERROR = 500

_log = structlog.get_logger()


class Work(StrEnum):
    """What was to be done about an order."""

    GIVE = "give"
    TAKE_BACK = "take_back"


@dataclass(frozen=True, slots=True)
class Late:
    """Something that failed before and is due again."""

    order_id: OrderId
    work: Work


async def keep_late(conn: Connection, order_id: OrderId, work: Work, error: Exception, now: datetime) -> None:
    """Remember what failed, in the caller's transaction; it is logged the first time alone."""
    told = str(error) if isinstance(error, ConsigndError) else f"{type(error).__name__}: {error}"
    tries: int = await conn.fetchval(_ADD_LATE, order_id, work.value, told[:_LONGEST_ERROR], now)
    if tries == 1:
        _log.error("campaign.late", order_id=order_id, work=work.value, error=told)


async def due_late(conn: Connection, now: datetime) -> Sequence[Late]:
    """What is to be tried again, what waits longest first."""
    rows = await conn.fetch(_DUE_LATE, now, _LATE_AT_ONCE)
    return [Late(OrderId(row["order_id"]), Work(row["work"])) for row in rows]


async def done_late(conn: Connection, late: Late) -> None:
    """It was done."""
    await conn.execute(_DROP_LATE, late.order_id, late.work.value)
    _log.info("campaign.caught_up", order_id=late.order_id, work=late.work.value)
