"""Reckons a month's trial balance from the totals that sealing keeps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from core.db.pool import Connection
from core.db.queries import load_queries
from core.money.journal.periods import Period, closed_until

_TRIAL_BALANCE = load_queries("core.money.journal", "trial.sql")["trial_balance"]


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
