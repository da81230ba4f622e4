"""Decides what an amount is in a channel's currency: by a rate with source and time, never by an old one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from core.money.conversion import Conversion
from core.money.money import Money
from core.offers.price.facts import PriceFacts
from core.offers.price.plan import Reason, Stop
from core.offers.price.rule import PriceRule

_RATE_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Converted:
    """An amount in the channel's currency, and how it came there; empty where it was in it already."""

    amount: Money
    how: str = ""


def convert(facts: PriceFacts, rule: PriceRule, amount: Money) -> Converted | Stop:
    """An amount in the channel's currency; Stop where no rate is known, or only one that is too old."""
    if amount.currency == facts.currency:
        return Converted(amount)
    rate = facts.rates.get((amount.currency, facts.currency))
    if rate is None:
        return Stop(
            Reason.NO_RATE,
            f"there is no rate from {amount.currency} to {facts.currency} for {amount}: set one",
            stays=True,
        )
    age = facts.now - rate.at
    if age > rule.rate_max_age:
        return Stop(
            Reason.RATE_TOO_OLD,
            f"the rate from {amount.currency} to {facts.currency} is {_long(age)} old ({rate.source},"
            f" {rate.at:%Y-%m-%d %H:%M}); older than {_long(rule.rate_max_age)} is not used: set a new one",
            stays=True,
        )
    return Converted(rate.convert(amount), _how(amount, rate))


def _how(amount: Money, rate: Conversion) -> str:
    exact = Decimal(rate.numerator) / Decimal(rate.denominator)
    return f"{amount} at {exact:.{_RATE_DIGITS}f} ({rate.source}, {rate.at:%Y-%m-%d %H:%M})"


def _long(span: timedelta) -> str:
    hours = span.total_seconds() / 3600
    return f"{hours:.0f} hours" if hours < 48 else f"{hours / 24:.0f} days"
