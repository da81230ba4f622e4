"""Decides what an amount is in another currency, at a rate that somebody told. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from core.errors import InvalidInput
from core.money.money import Money, exponent


@dataclass(frozen=True, slots=True)
class Conversion:
    """A rate: one major unit of `base` is numerator / denominator major units of `quote`."""

    base: str
    quote: str
    numerator: int
    denominator: int
    source: str
    at: datetime

    def __post_init__(self) -> None:
        if min(self.numerator, self.denominator) < 1:
            raise InvalidInput(
                f"rate {self.base} to {self.quote}: {self.numerator}/{self.denominator} is not above zero"
            )

    def convert(self, amount: Money) -> Money:
        """An amount in the other currency, a part of a minor unit rounded up: costs are never understated."""
        assert amount.currency == self.base, f"{amount} by a rate from {self.base}"
        above = amount.amount_minor * self.numerator * 10 ** exponent(self.quote)
        below = self.denominator * 10 ** exponent(self.base)
        return Money(-(-above // below), self.quote)


# By base and quote currency. A rate that stands only the other way round is not here: who reads them adds it.
Rates = Mapping[tuple[str, str], Conversion]
