"""Decides the entries when money in one currency settles what stood in another, and the gain or loss. Pure.

Every currency sums to zero by itself, through the operator's `conversion` accounts. A receivable of 100.00
EUR that was booked when a euro was 1.0500 USD, and for which 107.50 USD came in when it was 1.0837:

    channel   receivable         -100.00 EUR   what is settled goes to zero
    operator  conversion         +100.00 EUR
    operator  conversion         -105.00 USD   what it was worth when it was booked
    operator  exchange_gain        -3.37 USD   the rate moved: 108.37 at the rate of the day
    operator  exchange_fee         +0.87 USD   what whoever changed the money kept beyond that rate
    operator  bank               +107.50 USD

Each item is worth a whole number of minor units of its own, so that a statement can show them; what they
differ by from the worth of their sum stands on `exchange_rounding`. A debt is an item below zero, and so is
what is paid for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from core.errors import InvalidInput
from core.money.conversion import Conversion
from core.money.money import Money, exponent
from core.money.posting import Posting

_OPERATOR = ("operator", "")
# Far above any sum of money, and low enough that a product of two never leaves what the journal can hold.
_MOST_MINOR = 10**17


@dataclass(frozen=True, slots=True)
class Item:
    """What stands on an account and is settled: debit positive."""

    party: str
    party_name: str
    purpose: str
    amount: Money


@dataclass(frozen=True, slots=True)
class Exchanged:
    """The entries of a settlement in another currency, each item's worth in it, and what the rest became.

    `gain_minor` is what the movement of the rate brought, `fee_minor` what was kept beyond the day's rate.
    """

    postings: tuple[Posting, ...]
    paid: Money
    worth_minor: tuple[int, ...]
    gain_minor: int
    fee_minor: int
    rounding_minor: int
    settled: Conversion
    booked: Conversion | None


def convert(amount: Money, rate: Conversion) -> Money:
    """An amount in the rate's other currency, half of a minor unit rounded away from zero."""
    if amount.currency != rate.base:
        raise InvalidInput(f"{amount} cannot be converted by a rate from {rate.base} to {rate.quote}")
    shift = exponent(rate.quote) - exponent(rate.base)
    numerator = abs(amount.amount_minor) * rate.numerator * 10 ** max(shift, 0)
    denominator = rate.denominator * 10 ** max(-shift, 0)
    size = (2 * numerator + denominator) // (2 * denominator)
    if size > _MOST_MINOR:
        raise InvalidInput(f"{amount} at {rate.numerator}/{rate.denominator} {rate.quote}: too large a sum")
    return Money(size if amount.amount_minor >= 0 else -size, rate.quote)


def exchange(
    items: Sequence[Item],
    paid: Item,
    settled: Conversion,
    booked: Conversion | None = None,
) -> Exchanged:
    """Settle items of one currency by what came in (above zero) or went out (below) in another.

    `settled` is the rate of the day, `booked` the one at which the items were booked; without it nothing is
    gained or lost by movement. InvalidInput where currencies do not fit.
    """
    _refuse_misfits(items, paid, settled, booked)
    worth = [convert(item.amount, settled).amount_minor for item in items]
    base = Money(sum(item.amount.amount_minor for item in items), settled.base)
    fair_minor = convert(base, settled).amount_minor
    book_minor = sum(worth) if booked is None else convert(base, booked).amount_minor
    rounding_minor = fair_minor - sum(worth)
    gain_minor = sum(worth) - book_minor
    fee_minor = fair_minor - paid.amount.amount_minor
    amounts = [
        *((item.party, item.party_name, item.purpose, -item.amount) for item in items),
        (*_OPERATOR, "conversion", base),
        (*_OPERATOR, "conversion", Money(-book_minor, settled.quote)),
        (
            *_OPERATOR,
            "exchange_gain" if gain_minor > 0 else "exchange_loss",
            Money(-gain_minor, settled.quote),
        ),
        (*_OPERATOR, "exchange_rounding", Money(-rounding_minor, settled.quote)),
        (*_OPERATOR, "exchange_fee", Money(fee_minor, settled.quote)),
        (paid.party, paid.party_name, paid.purpose, paid.amount),
    ]
    postings = tuple(_postings(amounts))
    return Exchanged(
        postings, paid.amount, tuple(worth), gain_minor, fee_minor, rounding_minor, settled, booked
    )


def _postings(amounts: Sequence[tuple[str, str, str, Money]]) -> Iterator[Posting]:
    """Entries, none of nothing."""
    for party, name, purpose, amount in amounts:
        if amount.amount_minor:
            yield Posting(party, name, purpose, amount.amount_minor, amount.currency)


def _refuse_misfits(
    items: Sequence[Item], paid: Item, settled: Conversion, booked: Conversion | None
) -> None:
    if not items:
        raise InvalidInput("nothing is settled: name at least one item")
    others = {item.amount.currency for item in items} - {settled.base}
    if others:
        raise InvalidInput(
            f"items in {', '.join(sorted(others))} cannot be settled by a rate from {settled.base}: "
            "settle each currency by itself"
        )
    if paid.amount.currency != settled.quote or settled.base == settled.quote:
        raise InvalidInput(
            f"{paid.amount} was paid, but the rate is from {settled.base} to {settled.quote}: "
            "give the rate between what is settled and what was paid"
        )
    if booked is not None and (booked.base, booked.quote) != (settled.base, settled.quote):
        raise InvalidInput(
            f"it was booked by a rate from {booked.base} to {booked.quote} and is settled by one from "
            f"{settled.base} to {settled.quote}: give both for the same two currencies"
        )
