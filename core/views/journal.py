"""Tells people how far the journal's books reach: heads of the chain, closed months."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from core.db.pool import Connection
from core.db.queries import load_queries
from core.money.journal.chain import Head
from core.money.journal.periods import closed_until

_SQL = load_queries("core.views", "journal.sql")
_HEADS = load_queries("core.money.journal", "sealing.sql")["last_blocks"]
_UNSEALED = _SQL["unsealed"]
_PERIOD_CHANGES = _SQL["period_changes"]


@dataclass(frozen=True, slots=True)
class HeadView:
    """The last block of a lane; `head` is what to keep elsewhere."""

    head: str
    lane: int
    block_no: int
    sealed_at: datetime


@dataclass(frozen=True, slots=True)
class ChainState:
    """How far the chain reaches."""

    heads: tuple[HeadView, ...]
    unsealed: int
    unsealed_since: datetime | None


@dataclass(frozen=True, slots=True)
class PeriodChange:
    """A month that was closed or opened: from then on the journal was closed until a moment."""

    change_no: int
    closed_until: datetime
    at: datetime
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class Periods:
    """Until when the journal is closed, and how that came; the newest change first."""

    closed_until: datetime | None
    changes: tuple[PeriodChange, ...]


async def chain_state(conn: Connection) -> ChainState:
    """The head of every lane, and what is not sealed yet."""
    heads = tuple(
        HeadView(
            str(Head(row["lane"], row["block_no"], row["hash"])),
            row["lane"],
            row["block_no"],
            row["sealed_at"],
        )
        for row in await conn.fetch(_HEADS)
    )
    row = await conn.fetchrow(_UNSEALED)
    assert row is not None, "an aggregate has a row"
    return ChainState(heads, int(row["transactions"]), row["since"])


async def periods(conn: Connection) -> Periods:
    """The closed months and their history."""
    changes = await conn.fetch(_PERIOD_CHANGES)
    return Periods(await closed_until(conn), tuple(PeriodChange(**dict(row)) for row in changes))
