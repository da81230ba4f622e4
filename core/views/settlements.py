"""Tells what people see of payees: what each is owed now, and what runs found of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from core.db.pool import Connection
from core.db.queries import load_queries

_SQL = load_queries("core.views", "settlements.sql")
_RUNS = _SQL["runs"]
_PAYEES = _SQL["payees"]


@dataclass(frozen=True, slots=True)
class RunView:
    """What a run found of a payee's currency: drawn, small (carried over), or a claim (the payee owes us)."""

    run_id: int
    party: str
    party_name: str
    until: datetime
    cycle: str
    ran_at: datetime
    actor: str
    currency: str
    outcome: str
    amount_minor: int
    entries: int
    settlement_id: int | None


@dataclass(frozen=True, slots=True)
class PayeeView:
    """What a payee is owed now: payable, of which `unpaid_minor` stands in settlements; held; in reserve."""

    party: str
    party_name: str
    currency: str
    payable_minor: int
    held_minor: int
    reserve_minor: int
    unpaid_minor: int

    @property
    def open_minor(self) -> int:
        """What no settlement has yet."""
        return self.payable_minor - self.unpaid_minor


async def runs(
    conn: Connection,
    *,
    party: str | None = None,
    party_name: str | None = None,
    before: int | None = None,
    limit: int = 100,
) -> tuple[RunView, ...]:
    """What runs found, newest first."""
    rows = await conn.fetch(_RUNS, party, party_name, before, limit)
    return tuple(RunView(**dict(row)) for row in rows)


async def payees(conn: Connection) -> tuple[PayeeView, ...]:
    """What everybody is owed at this moment, from the books' totals."""
    return tuple(PayeeView(**dict(row)) for row in await conn.fetch(_PAYEES))
