"""Tells who has what: what is owed, held, payable and earned by party, and what came of which channel."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from core.db.pool import Connection
from core.db.queries import load_queries
from core.money.journal.periods import Period

_SQL = load_queries("core.views", "money_standing.sql")
_STANDING = _SQL["standing"]
_MONTHS = _SQL["months"]
_PAID = _SQL["paid"]
_FLOWS = _SQL["channel_flows"]

_HELD = frozenset({"held", "pending", "reserve", "wallet_pending"})
_OURS = frozenset({"receivable", "balance", "bank", "claim"})
_IN_BETWEEN = frozenset({"conversion", "discrepancy"})
_RESULTS = frozenset({"channel", "operator"})


class Standing(StrEnum):
    """What money is to us. The first two are above zero as debit, the others as credit."""

    OWED_TO_US = "owed_to_us"  # channels owe or hold it, or it is in our bank
    BETWEEN = "between"  # in question, or exchanged into another currency
    HELD = "held"  # somebody's, and not vested yet
    PAYABLE = "payable"  # somebody's, and may be paid
    EARNED = "earned"  # income; cost below zero


DEBIT = frozenset({Standing.OWED_TO_US, Standing.BETWEEN})


@dataclass(frozen=True, slots=True)
class AccountSum:
    """A party's accounts of one purpose in a month, or of all time; debit positive. Buyers are one party."""

    party: str
    party_name: str
    purpose: str
    currency: str
    accounts: int
    opening_minor: int
    debit_minor: int
    credit_minor: int
    closing_minor: int


@dataclass(frozen=True, slots=True)
class Paid:
    """What settlements paid a payee, of what was owed in a currency; above zero."""

    party: str
    party_name: str
    currency: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Flow:
    """What the orders of a channel moved on a party's accounts of one purpose; debit positive."""

    channel: str
    party: str
    party_name: str
    purpose: str
    currency: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class ChannelMonth:
    """A month's movements by channel, and all there were: what is not of orders is the difference."""

    sums: tuple[AccountSum, ...]
    flows: tuple[Flow, ...]


def standing_of(party: str, purpose: str) -> Standing:
    """What stands on an account of this party and purpose; every account has exactly one."""
    if purpose in _OURS:
        return Standing.OWED_TO_US
    if purpose in _IN_BETWEEN:
        return Standing.BETWEEN
    if purpose in _HELD:
        return Standing.HELD
    return Standing.EARNED if party in _RESULTS else Standing.PAYABLE


def by_standing(sums: Iterable[AccountSum]) -> dict[Standing, int]:
    """What stands in all, each as it is read: what we owe is above zero, too."""
    found = dict.fromkeys(Standing, 0)
    for each in sums:
        standing = standing_of(each.party, each.purpose)
        found[standing] += each.closing_minor if standing in DEBIT else -each.closing_minor
    return found


async def standing(conn: Connection, month: Period | None = None) -> tuple[AccountSum, ...]:
    """What stands now, or at the end of a month; it costs the same however long the journal is."""
    first = None if month is None else date(month.year, month.month, 1)
    return tuple(AccountSum(**dict(row)) for row in await conn.fetch(_STANDING, first))


async def paid(conn: Connection, month: Period | None = None) -> tuple[Paid, ...]:
    """What payees were paid ever, or in a month; it costs as much as there are payments."""
    between = (None, None) if month is None else (month.start, month.end)
    return tuple(Paid(**dict(row)) for row in await conn.fetch(_PAID, *between))


async def months(conn: Connection) -> tuple[Period, ...]:
    """The months in which anything was posted, the newest first."""
    return tuple(Period(row["period"].year, row["period"].month) for row in await conn.fetch(_MONTHS))


async def channel_month(conn: Connection, month: Period) -> ChannelMonth:
    """Who got what of which channel in a month, as of one moment."""
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        sums = await standing(conn, month)
        rows = await conn.fetch(_FLOWS, month.start, month.end)
    return ChannelMonth(sums, tuple(Flow(**dict(row)) for row in rows))
