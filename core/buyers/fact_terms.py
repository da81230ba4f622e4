"""Says on which terms the facts of a channel's sales are told: tax, rates, referrals, marks. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta

from core.buyers.referrals import ReferralTerms
from core.money.money import per_million

_WHOLE_PPM = 1_000_000


@dataclass(frozen=True, slots=True)
class TaxRule:
    """The tax on a price, for SKUs of any of some tags; no tags: for all.

    `included`: the price is net plus tax, so 19 % of 119.00 is 19.00. Otherwise the tax is reckoned of the
    price itself, so 19 % of 119.00 is 22.61. Half of a minor unit is rounded away from zero.
    """

    rate_ppm: int
    included: bool = True
    tags: tuple[str, ...] = ()
    origin: str = "tax"

    def unit_tax_minor(self, unit_price_minor: int) -> int:
        """The tax in the price of one unit."""
        if not self.included:
            return per_million(unit_price_minor, self.rate_ppm)
        above, below = abs(unit_price_minor) * self.rate_ppm, _WHOLE_PPM + self.rate_ppm
        size = (2 * above + below) // (2 * below)
        return size if unit_price_minor >= 0 else -size


@dataclass(frozen=True, slots=True)
class FactTerms:
    """What a channel's sales are told by, where a plan asks.

    `hears_tax`: a plan there asks for tax, so what the channel tells of it is kept. `keeps_marks`: what tells
    buyers apart is kept, as keyed hashes.
    """

    tax: tuple[TaxRule, ...] = ()
    hears_tax: bool = False
    rate_max_age: timedelta = timedelta(hours=96)
    pivot: str = "EUR"
    referrals: ReferralTerms = field(default_factory=ReferralTerms)
    keeps_marks: bool = False

    def tax_rule(self, tags: Collection[str]) -> TaxRule | None:
        """The first rule for an SKU of these tags."""
        return next((rule for rule in self.tax if not rule.tags or set(rule.tags) & set(tags)), None)
