"""Decides what an amount of money is: an integer of minor units with its currency."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from core.errors import InvalidInput

# Currencies whose minor unit is not a hundredth (ISO 4217, table A.1).
_EXPONENTS = {
    **dict.fromkeys(["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"], 0),
    **dict.fromkeys(["RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"], 0),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
}
_CURRENCY = re.compile(r"[A-Z]{3}")


def exponent(currency: str) -> int:
    """Digits after the decimal point of a currency: EUR 2, JPY 0, KWD 3."""
    return _EXPONENTS.get(currency, 2)


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An amount in minor units of one currency; adding two currencies is an error of ours."""

    amount_minor: int
    currency: str

    def __post_init__(self) -> None:
        if not _CURRENCY.fullmatch(self.currency):
            raise InvalidInput(f"currency {self.currency!r}: write three capital letters, such as EUR")

    @classmethod
    def parse(cls, text: str, currency: str) -> Money:
        """Read a decimal number of major units ("9.50"); more digits than the currency has are refused."""
        try:
            scaled = Decimal(text.strip()).scaleb(exponent(currency))
        except InvalidOperation:
            raise InvalidInput(f"amount {text!r}: write a decimal number such as 9.50") from None
        if not scaled.is_finite() or scaled != scaled.to_integral_value():
            raise InvalidInput(f"amount {text!r}: {currency} has {exponent(currency)} decimals")
        return cls(int(scaled), currency)

    def decimal(self) -> Decimal:
        """The amount in major units, exact."""
        return Decimal(self.amount_minor).scaleb(-exponent(self.currency))

    def __str__(self) -> str:
        digits = exponent(self.currency)
        if digits == 0:
            return f"{self.amount_minor} {self.currency}"
        whole, part = divmod(abs(self.amount_minor), 10**digits)
        return f"{'-' if self.amount_minor < 0 else ''}{whole}.{part:0{digits}d} {self.currency}"

    def __add__(self, other: Money) -> Money:
        self._same(other)
        return Money(self.amount_minor + other.amount_minor, self.currency)

    def __sub__(self, other: Money) -> Money:
        self._same(other)
        return Money(self.amount_minor - other.amount_minor, self.currency)

    def __neg__(self) -> Money:
        return Money(-self.amount_minor, self.currency)

    def times(self, quantity: int) -> Money:
        """The amount for so many pieces."""
        return Money(self.amount_minor * quantity, self.currency)

    def _same(self, other: Money) -> None:
        assert self.currency == other.currency, f"{self} and {other} are two currencies"


def share(amount_minor: int, weights: Sequence[int]) -> list[int]:
    """Give an amount away by weights, to the last minor unit.

    Largest remainder; ties go to the earlier weight. The parts always sum to the amount, also for
    negative amounts, whose parts are the exact negatives of the positive amount's parts.
    Weights are whole numbers of any unit, none negative, at least one above zero.
    """
    total = sum(weights)
    assert total > 0, "weights must not all be zero"
    assert min(weights) >= 0, "a weight is negative"
    sign, size = (-1, -amount_minor) if amount_minor < 0 else (1, amount_minor)
    floors = [size * weight // total for weight in weights]
    left = size - sum(floors)
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(size * weights[i] % total), i))
    for index in by_remainder[:left]:
        floors[index] += 1
    return [sign * part for part in floors]


def per_million(amount_minor: int, rate_ppm: int) -> int:
    """A rate in parts per million of an amount, half rounded away from zero (12.5 % = 125,000 ppm)."""
    size, rest = divmod(abs(amount_minor) * rate_ppm, 1_000_000)
    size += 1 if rest * 2 >= 1_000_000 else 0
    return size if amount_minor >= 0 else -size


def percent(rate_ppm: int) -> str:
    """A rate as people write it: 125000 is "12.5 %"."""
    return f"{Decimal(rate_ppm).scaleb(-4).normalize():f} %"
