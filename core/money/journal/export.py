"""Moves a month of the journal into the hands of accountants, as CSV or beancount, line by line.

The same month gives the same text at every export, once it is closed: entries in the order of moment,
number and entry, each with its numbers; balances before and after as they follow from the journal. A
beancount file asserts the closing balance of every account, so the tool that reads it reckons all of them
again.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from core.db.pool import Connection
from core.db.queries import load_queries
from core.money.journal.chart import Account, Chart
from core.money.journal.periods import Period
from core.money.journal.trial import TrialBalance, trial_balance
from core.money.money import Money

_SQL = load_queries("core.money.journal", "export.sql")
_ACCOUNTS = _SQL["accounts"]
_PERIOD_ENTRIES = _SQL["period_entries"]
_PERIOD_RATES = _SQL["period_rates"]
_PREFETCH = 2000
_QUERY_SECONDS = 3600.0
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_COLUMNS = (
    "transaction_id", "entry_no", "posted_at", "kind", "channel", "order_ref", "order_id", "line_no",
    "plan_id", "reverses_id", "account_id", "account", "party", "party_name", "purpose", "currency", "debit",
    "credit", "amount_minor",
)  # fmt: skip


class Form(StrEnum):
    """What accountants can be handed."""

    CSV = "csv"
    BEANCOUNT = "beancount"


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry with the transaction it belongs to."""

    transaction_id: int
    posted_at: datetime
    kind: str
    order_id: int | None
    line_no: int | None
    plan_id: int | None
    reverses_id: int | None
    channel: str | None
    order_ref: str | None
    entry_no: int
    account_id: int
    amount_minor: int


async def export(conn: Connection, period: Period, form: Form, chart: Chart) -> AsyncIterator[str]:
    """The lines of a month, without their ends. The connection is in a repeatable-read transaction."""
    assert conn.is_in_transaction(), "balances and entries are of one moment"
    accounts = {row["account_id"]: Account(**dict(row)) for row in await conn.fetch(_ACCOUNTS)}
    names = chart.names(accounts.values())
    entries = _entries(conn, period)
    match form:
        case Form.CSV:
            lines = _csv(entries, accounts, names)
        case Form.BEANCOUNT:
            rates = await _rates(conn, period)
            balance = await trial_balance(conn, period)
            lines = _beancount(entries, accounts, names, rates, balance, period)
    async for line in lines:
        yield line


async def _entries(conn: Connection, period: Period) -> AsyncIterator[Entry]:
    rows = conn.cursor(_PERIOD_ENTRIES, period.start, period.end, prefetch=_PREFETCH, timeout=_QUERY_SECONDS)
    async for row in rows:
        yield Entry(*row)


async def _rates(conn: Connection, period: Period) -> dict[int, list[str]]:
    """The rates of each transaction that changed money, as lines of a file."""
    lines: dict[int, list[str]] = {}
    for row in await conn.fetch(_PERIOD_RATES, period.start, period.end, timeout=_QUERY_SECONDS):
        told = (
            f"1 {row['base']} = {row['numerator']}/{row['denominator']} {row['quote']}, {row['source']},"
            f" {row['valid_at'].astimezone(UTC).isoformat()}"
        )
        lines.setdefault(row["transaction_id"], []).append(f"  rate-{row['role']}: {_quoted(told)}")
    return lines


async def _csv(
    entries: AsyncIterator[Entry], accounts: Mapping[int, Account], names: Mapping[int, str]
) -> AsyncIterator[str]:
    yield ",".join(_COLUMNS)
    async for entry in entries:
        account = accounts[entry.account_id]
        size = str(Money(abs(entry.amount_minor), account.currency).decimal())
        yield _row(
            entry.transaction_id,
            entry.entry_no,
            entry.posted_at.astimezone(UTC).isoformat(),
            entry.kind,
            entry.channel,
            entry.order_ref,
            entry.order_id,
            entry.line_no,
            entry.plan_id,
            entry.reverses_id,
            account.account_id,
            names[account.account_id],
            account.party,
            account.party_name,
            account.purpose,
            account.currency,
            size if entry.amount_minor > 0 else "",
            size if entry.amount_minor < 0 else "",
            entry.amount_minor,
        )


def _row(*cells: int | str | None) -> str:
    """A row of CSV. What others wrote must not become a formula in whatever opens the file."""
    safe = [f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell for cell in cells]
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(safe)
    return line.getvalue()


async def _beancount(
    entries: AsyncIterator[Entry],
    accounts: Mapping[int, Account],
    names: Mapping[int, str],
    rates: Mapping[int, list[str]],
    balance: TrialBalance,
    period: Period,
) -> AsyncIterator[str]:
    yield f'option "title" "consignd {period}"'
    for line in _opening(balance, names, period):
        yield line
    current: int | None = None
    async for entry in entries:
        if entry.transaction_id != current:
            current = entry.transaction_id
            yield ""
            for line in _heading(entry):
                yield line
            for line in rates.get(entry.transaction_id, ()):
                yield line
        amount = Money(entry.amount_minor, accounts[entry.account_id].currency)
        yield f"  {names[entry.account_id]}  {amount}"
        yield f"    entry: {entry.entry_no}"
    yield ""
    for (name, currency), closing_minor in sorted(_by_name(balance, names, closing=True).items()):
        amount = Money(closing_minor, currency)
        yield f"{period.end:%Y-%m-%d} balance {name}  {amount.decimal()} ~ 0 {currency}"


def _opening(balance: TrialBalance, names: Mapping[int, str], period: Period) -> Iterator[str]:
    """The accounts of the month, and what stood on them before it."""
    before = _by_name(balance, names, closing=False)
    for name in sorted({name for name, _ in before}):
        yield f"{period.start:%Y-%m-%d} open {name}"
    standing = {key: amount_minor for key, amount_minor in before.items() if amount_minor}
    if not standing:
        return
    yield ""
    yield f'{period.start:%Y-%m-%d} * "consignd" "opening balances"'
    for (name, currency), amount_minor in sorted(standing.items()):
        yield f"  {name}  {Money(amount_minor, currency)}"


def _by_name(balance: TrialBalance, names: Mapping[int, str], *, closing: bool) -> Counter[tuple[str, str]]:
    """Several accounts of ours may be one of theirs."""
    sums: Counter[tuple[str, str]] = Counter()
    for row in balance.rows:
        sums[names[row.account_id], row.currency] += row.closing_minor if closing else row.opening_minor
    return sums


def _heading(entry: Entry) -> Iterator[str]:
    what = [entry.kind, f"order {entry.order_ref}" if entry.order_ref else "", f"line {entry.line_no}"]
    told = ", ".join(part for part in what[: 3 if entry.order_ref else 1] if part)
    day = entry.posted_at.astimezone(UTC)
    yield f"{day:%Y-%m-%d} * {_quoted(entry.channel or 'consignd')} {_quoted(told)}"
    yield f"  transaction: {entry.transaction_id}"
    yield f"  posted-at: {_quoted(day.isoformat())}"
    for name, number in (
        ("order", entry.order_id),
        ("plan", entry.plan_id),
        ("reverses", entry.reverses_id),
    ):
        if number is not None:
            yield f"  {name}: {number}"


def _quoted(text: str) -> str:
    plain = " ".join(text.split()).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{plain}"'
