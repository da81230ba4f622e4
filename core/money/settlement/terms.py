"""Decides when a payee's cycle ends, and what becomes of what is open then. Pure."""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum

from core.errors import InvalidInput
from core.money.money import exponent, per_million

PARTIES = ("consignor", "referrer", "party", "budget")
_DAYS_A_WEEK = 7


class CycleKind(StrEnum):
    """How often a payee is settled."""

    WEEKLY = "weekly"
    MONTHLY = "monthly"
    ON_DEMAND = "on demand"


class Outcome(StrEnum):
    """What became of a payee's open entries in one currency."""

    DRAWN = "drawn"  # a settlement
    SMALL = "small"  # carried over until it is worth a payment
    CLAIM = "claim"  # refunds were more than sales: carried until sales make up for it


@dataclass(frozen=True, slots=True, order=True)
class Payee:
    """Who is paid: a kind of party, and the name it has in the journal."""

    party: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Payee:
        """Read one as people write it, such as consignor/Ada."""
        party, slash, name = text.partition("/")
        if party not in PARTIES or not slash or not name:
            raise InvalidInput(
                f"payee {text!r}: write {', '.join(PARTIES)} and a name, such as consignor/Ada"
            )
        return cls(party, name)

    def __str__(self) -> str:
        return f"{self.party}/{self.name}"


@dataclass(frozen=True, slots=True)
class Cycle:
    """When settlements are drawn up. `day`: of the week, Monday is 0; or of the month, from 1.

    Cycles end at the first moment of their day, in UTC. In a month without that day it is the last one.
    """

    kind: CycleKind = CycleKind.ON_DEMAND
    day: int = 0

    def last_end(self, now: datetime) -> datetime | None:
        """When a cycle ended last; None for a payee who has none."""
        today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        match self.kind:
            case CycleKind.ON_DEMAND:
                return None
            case CycleKind.WEEKLY:
                return today - timedelta(days=(today.weekday() - self.day) % _DAYS_A_WEEK)
            case CycleKind.MONTHLY:
                here = _in_month(today, self.day)
                return (
                    here if here <= today else _in_month(today.replace(day=1) - timedelta(days=1), self.day)
                )


@dataclass(frozen=True, slots=True)
class PayeeTerms:
    """How one payee is settled. `minimum` is in major units of whatever currency is owed."""

    cycle: Cycle = Cycle()
    minimum: Decimal = Decimal(0)
    paid_in: str | None = None
    approvals: int = 1
    reserve_ppm: int = 0
    reserve_days: int = 0
    language: str = "en"
    rate_max_age: timedelta = timedelta(days=4)

    def minimum_minor(self, currency: str) -> int:
        """The least that is worth a payment; a part of a minor unit counts as one."""
        return int(self.minimum.scaleb(exponent(currency)).to_integral_value(ROUND_CEILING))


@dataclass(frozen=True, slots=True)
class SettlementTerms:
    """How everybody is settled, and those who are settled otherwise."""

    usual: PayeeTerms = PayeeTerms()
    by_payee: Mapping[Payee, PayeeTerms] = field(default_factory=dict)
    # The currency that rates of exchange may be crossed through.
    pivot: str = "EUR"

    def of(self, payee: Payee) -> PayeeTerms:
        """The terms of one payee."""
        return self.by_payee.get(payee, self.usual)


@dataclass(frozen=True, slots=True)
class Open:
    """What a payee's account has that no settlement has yet; `released_minor` of it was in reserve before."""

    currency: str
    owed_minor: int
    entries: int
    released_minor: int = 0


def outcome(found: Open, terms: PayeeTerms) -> Outcome:
    """What becomes of it."""
    if found.owed_minor < 0:
        return Outcome.CLAIM
    if found.owed_minor == 0 or found.owed_minor < terms.minimum_minor(found.currency):
        return Outcome.SMALL
    return Outcome.DRAWN


def reserve_minor(found: Open, terms: PayeeTerms) -> int:
    """What is kept back of it: a share of what is new, never again of what comes out of a reserve."""
    fresh_minor = max(found.owed_minor - found.released_minor, 0)
    return per_million(fresh_minor, terms.reserve_ppm) if terms.reserve_days else 0


def _in_month(moment: datetime, day: int) -> datetime:
    return moment.replace(day=min(day, calendar.monthrange(moment.year, moment.month)[1]))
