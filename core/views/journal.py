"""Tells what the journal's books say: balances, trial balances, heads of the chain, closed months."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from core.db.pool import Connection
from core.db.queries import load_queries
from core.money.journal.chain import Head
from core.money.journal.periods import Period, closed_until

_SQL = load_queries("core.views", "journal.sql")
_TRIAL_BALANCE = _SQL["trial_balance"]
_HEADS = load_queries("core.money.journal", "sealing.sql")["last_blocks"]
_UNSEALED = _SQL["unsealed"]
_PERIOD_CHANGES = _SQL["period_changes"]


@dataclass(frozen=True, slots=True)
class TrialRow:
    """An account in a month: what stood before, what was posted, what stood after. Debit positive."""

    account_id: int
    party: str
    party_name: str
    purpose: str
    currency: str
    opening_minor: int
    debit_minor: int
    credit_minor: int
    closing_minor: int
    entries: int


@dataclass(frozen=True, slots=True)
class CurrencySum:
    """All accounts of a currency together: opening and closing are zero, and debit equals credit."""

    currency: str
    opening_minor: int
    debit_minor: int
    credit_minor: int
    closing_minor: int

    @property
    def balanced(self) -> bool:
        """Whether it is as it has to be."""
        return not self.opening_minor and not self.closing_minor and self.debit_minor == self.credit_minor


@dataclass(frozen=True, slots=True)
class TrialBalance:
    """A month's trial balance, account by account, and its sums."""

    period: str
    closed: bool
    balanced: bool
    sums: tuple[CurrencySum, ...]
    rows: tuple[TrialRow, ...]


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


async def trial_balance(conn: Connection, period: Period) -> TrialBalance:
    """The trial balance of a month, at this moment: constant in the length of the journal."""
    first = date(period.year, period.month, 1)
    rows = tuple(TrialRow(**dict(row)) for row in await conn.fetch(_TRIAL_BALANCE, first))
    until = await closed_until(conn)
    sums = tuple(_sum(currency, rows) for currency in sorted({row.currency for row in rows}))
    return TrialBalance(
        str(period),
        until is not None and until >= period.end,
        all(each.balanced for each in sums),
        sums,
        rows,
    )


def _sum(currency: str, rows: tuple[TrialRow, ...]) -> CurrencySum:
    own = [row for row in rows if row.currency == currency]
    return CurrencySum(
        currency,
        sum(row.opening_minor for row in own),
        sum(row.debit_minor for row in own),
        sum(row.credit_minor for row in own),
        sum(row.closing_minor for row in own),
    )


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
