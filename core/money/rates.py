"""Decides what one currency is worth in another: rates as they were told, the latest of a moment, crosses.

Rates are fractions of whole numbers, never floats. What was told stays: a better rate is another row.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from core.audit import note
from core.db.pool import Connection
from core.db.queries import load_queries
from core.errors import InvalidInput
from core.money.conversion import Conversion, Rates
from core.money.money import Money

_SQL = load_queries("core.money", "rates.sql")
_ADD_RATES = _SQL["add_rates"]
_LATEST_OF_PAIRS = _SQL["latest_of_pairs"]
_LATEST_OF_PAIRS_AT = _SQL["latest_of_pairs_at"]
_LATEST_OF_ALL = _SQL["latest_of_all"]
_NEWEST_ENTRY = _SQL["newest_entry"]
_NOTE_RATE_HEALTH = _SQL["note_rate_health"]
_READ_RATE_HEALTH = _SQL["read_rate_health"]

# A sum that a rate is tried on: a currency that Money refuses is refused here by the same words.
_LARGEST = 10**18
_MOST_DECIMALS = 12
# Clocks differ a little; more than that is a mistake that would stop every later rate from counting.
_AHEAD_AT_MOST = timedelta(minutes=5)

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class NewRate:
    """A rate as somebody tells it: one major unit of `base` is so many of `quote`, at a moment."""

    base: str
    quote: str
    rate: Fraction
    at: datetime

    def __post_init__(self) -> None:
        for currency in (self.base, self.quote):
            Money(1, currency)
        if self.base == self.quote:
            raise InvalidInput(f"rate {self.base} to {self.quote}: write two different currencies")
        if self.rate <= 0 or max(self.rate.numerator, self.rate.denominator) > _LARGEST:
            raise InvalidInput(f"rate {self.base} to {self.quote}: {self.rate} is not a rate above zero")
        if self.at.tzinfo is None:
            raise InvalidInput(f"rate {self.base} to {self.quote}: write its moment with a time zone")


@dataclass(frozen=True, slots=True)
class RateHealth:
    """How fetching rates from a source is going, and since when."""

    source: str
    ok: bool
    detail: str
    changed_at: datetime
    seen_at: datetime


def parse_rate(text: str) -> Fraction:
    """A rate from a decimal number such as 1.0837; InvalidInput says what is wrong with it."""
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        value = Decimal("nan")
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or value <= 0 or exponent < -_MOST_DECIMALS or value >= 10**6:
        raise InvalidInput(
            f"rate {text!r}: write a decimal number above zero such as 1.0837, with at most"
            f" {_MOST_DECIMALS} decimals"
        )
    return Fraction(value)


async def add_rates(
    conn: Connection, rates: Sequence[NewRate], *, source: str, actor: str, now: datetime
) -> int:
    """Write rates down, in the caller's transaction; how many were new. Those of the future are refused."""
    for rate in rates:
        if rate.at > now + _AHEAD_AT_MOST:
            raise InvalidInput(
                f"rate {rate.base} to {rate.quote}: its moment {rate.at.isoformat()} is still to come; "
                "write the moment it was told for"
            )
    rows = await conn.fetch(
        _ADD_RATES,
        [rate.base for rate in rates],
        [rate.quote for rate in rates],
        [rate.rate.numerator for rate in rates],
        [rate.rate.denominator for rate in rates],
        [rate.at for rate in rates],
        source,
        actor,
        now,
    )
    return len(rows)


async def set_rate(conn: Connection, rate: NewRate, *, actor: str, reason: str, now: datetime) -> int:
    """Write down a rate that a person tells, with an audit row, in the caller's transaction."""
    added = await add_rates(conn, [rate], source="by hand", actor=actor, now=now)
    subject = f"{rate.base}/{rate.quote} {rate.rate}"
    await note(conn, at=now, actor=actor, action="rate.set", subject=subject, reason=reason)
    return added


async def read_rates(
    conn: Connection, wanted: Collection[Pair], as_of: datetime, pivot: str = "EUR"
) -> Rates:
    """The latest rates of some pairs as of a moment: told, turned round, or crossed through the pivot.

    A pair of which nothing is known is not in the answer.
    """
    pairs = sorted({(base, quote) for base, quote in wanted if base != quote})
    if not pairs:
        return {}
    legs = sorted({leg for pair in pairs for leg in _legs(pair, pivot)})
    rows = await conn.fetch(_LATEST_OF_PAIRS, [base for base, _ in legs], [quote for _, quote in legs], as_of)
    return conversions([Conversion(**dict(row)) for row in rows], pairs, pivot)


async def read_rates_at(
    conn: Connection, wanted: Collection[tuple[Pair, datetime]], pivot: str = "EUR"
) -> dict[tuple[Pair, datetime], Conversion]:
    """The same, each pair as of a moment of its own."""
    asked = sorted({(leg, at) for pair, at in wanted for leg in _legs(pair, pivot)})
    columns = ([leg[0] for leg, _ in asked], [leg[1] for leg, _ in asked], [at for _, at in asked])
    told: dict[datetime, list[Conversion]] = {}
    for row in await conn.fetch(_LATEST_OF_PAIRS_AT, *columns) if asked else ():
        values = dict(row)
        told.setdefault(values.pop("as_of"), []).append(Conversion(**values))
    found = {}
    for pair, at in wanted:
        answer = conversions(told.get(at, ()), [pair], pivot).get(pair)
        if answer is not None:
            found[pair, at] = answer
    return found


def conversions(told: Iterable[Conversion], wanted: Iterable[Pair], pivot: str) -> dict[Pair, Conversion]:
    """Answer pairs from what was told: the later of a rate and its inverse, else a cross. Pure."""
    known = {(each.base, each.quote): each for each in told}
    found: dict[Pair, Conversion] = {}
    for base, quote in wanted:
        answer = _either_way(known, base, quote) or _crossed(known, base, quote, pivot)
        if answer is not None:
            found[base, quote] = answer
    return found


def inverse(told: Conversion) -> Conversion:
    """The same rate the other way round, exact."""
    return Conversion(told.quote, told.base, told.denominator, told.numerator, told.source, told.at)


async def latest_rates(conn: Connection, as_of: datetime) -> list[tuple[Conversion, str]]:
    """The latest rate of every pair that was ever told, and who entered it."""
    rows = [dict(row) for row in await conn.fetch(_LATEST_OF_ALL, as_of)]
    return [(Conversion(**row), entered_by) for row in rows for entered_by in [str(row.pop("entered_by"))]]


async def newest_entry(conn: Connection) -> int:
    """A number that rises whenever a rate is written down; 0 before the first."""
    newest: int | None = await conn.fetchval(_NEWEST_ENTRY)
    return newest or 0


async def note_rate_health(conn: Connection, source: str, *, ok: bool, detail: str, now: datetime) -> None:
    """Write down how fetching from a source went."""
    await conn.execute(_NOTE_RATE_HEALTH, source, ok, detail, now)


async def rate_health(conn: Connection) -> list[RateHealth]:
    """How fetching goes, by source."""
    return [RateHealth(**dict(row)) for row in await conn.fetch(_READ_RATE_HEALTH)]


def _legs(pair: Pair, pivot: str) -> list[Pair]:
    base, quote = pair
    legs = [(base, quote), (base, pivot), (pivot, quote)]
    return [turned for a, b in legs if a != b for turned in ((a, b), (b, a))]


def _either_way(known: Mapping[Pair, Conversion], base: str, quote: str) -> Conversion | None:
    direct, turned = known.get((base, quote)), known.get((quote, base))
    if turned is not None and (direct is None or turned.at > direct.at):
        return inverse(turned)
    return direct


def _crossed(known: Mapping[Pair, Conversion], base: str, quote: str, pivot: str) -> Conversion | None:
    """One step through the pivot; as old as the older of its legs."""
    if pivot in (base, quote):
        return None
    first, second = _either_way(known, base, pivot), _either_way(known, pivot, quote)
    if first is None or second is None:
        return None
    rate = Fraction(first.numerator, first.denominator) * Fraction(second.numerator, second.denominator)
    source = first.source if first.source == second.source else f"{first.source}, {second.source}"
    return Conversion(
        base,
        quote,
        rate.numerator,
        rate.denominator,
        f"{source} through {pivot}",
        min(first.at, second.at),
    )
