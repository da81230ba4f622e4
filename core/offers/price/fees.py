"""Decides what a channel leaves of a price, and the smallest price that leaves enough. Pure.

It is found by search and not by a formula, because a commission with a fixed part, a minimum, a maximum and a
rounding of its own has no inverse. Where the channel's calculator was asked, its answer corrects our plan:
by the difference at the price it was asked for, and in proportion at others.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.errors import PlanRefused
from core.money.money import Money
from core.money.splits import Party, SplitPlan, SplitRule, commission, require_currency
from core.offers.price.facts import QuotedFee

_WHOLE_PPM = 1_000_000
_PRICES_BELOW_MINOR = 10**15
# Roundings move what is left of a price by half a unit per rule: where a channel leaves 1 % of a price or
# more, the one looked for lies within so many candidates of where it would be without roundings.
_CANDIDATES_AT_MOST = 10_000
# Channels change their commissions seldom, and say so.
_QUOTE_MAX_AGE = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Fees:
    """What a channel keeps: by the split plan, corrected by its own calculator where that was asked."""

    plan: SplitPlan
    currency: str
    quote: QuotedFee | None = None

    @classmethod
    def of(cls, plan: SplitPlan, currency: str, quote: QuotedFee | None, now: datetime) -> Fees:
        """A quote that is old, in another currency or of nothing is left out."""
        require_currency(plan, currency)
        fits = (
            quote is not None
            and quote.gross.currency == quote.net.currency == currency
            and quote.gross.amount_minor > 0
            and now - quote.at <= _QUOTE_MAX_AGE
        )
        return cls(plan, currency, quote if fits else None)

    @property
    def correction_minor(self) -> int:
        """How much more the channel keeps of the quoted price than our plan says."""
        if self.quote is None:
            return 0
        kept_minor = self.quote.gross.amount_minor - self.quote.net.amount_minor
        return kept_minor - commission(self.plan, self.quote.gross)

    def net(self, gross: Money) -> Money:
        """What reaches us of what the buyer pays."""
        kept_minor = commission(self.plan, gross) - (-self._correction_of(gross.amount_minor) // _WHOLE_PPM)
        return Money(gross.amount_minor - kept_minor, gross.currency)

    def net_minor(self, gross_minor: int) -> int:
        """The same, of minor units."""
        return self.net(Money(gross_minor, self.currency)).amount_minor

    def gross_up(self, net: Money) -> Money:
        """The smallest price, at least one minor unit, of which the channel leaves us `net`."""
        return self.smallest(net, range(1, _PRICES_BELOW_MINOR))

    def smallest(self, net: Money, candidates: range) -> Money:
        """The first candidate that leaves the net after commission.

        Without roundings, what is left never falls as the price rises, so that can be bisected. Several
        channel rules, each rounded by itself, make it fall by a unit here and there: hence candidate by
        candidate from the earliest possible.
        """
        require_currency(self.plan, net.currency)
        rules = [rule for rule in self.plan.rules if rule.party is Party.CHANNEL]
        earliest_millionths = net.amount_minor * _WHOLE_PPM - len(rules) * _WHOLE_PPM // 2
        # Bounds close by: bisecting all candidates there are would take four times as long.
        high = first_from(candidates, 2 * max(net.amount_minor, 1))
        while high < len(candidates) and self._exact_net(rules, candidates[high]) < earliest_millionths:
            high = first_from(candidates, 4 * candidates[high])
        start = bisect_left(
            candidates,
            earliest_millionths,
            hi=min(high, len(candidates)),
            key=lambda price: self._exact_net(rules, price),
        )
        for price in candidates[start : start + _CANDIDATES_AT_MOST]:
            gross = Money(price, net.currency)
            if self.net(gross).amount_minor >= net.amount_minor:
                return gross
        raise PlanRefused(
            f"split plan {self.plan.name}: there is no price of which the channel leaves {net}: its rules"
            " take almost everything; lower their rates"
        )

    def _exact_net(self, rules: list[SplitRule], gross_minor: int) -> int:
        """What is left of a price if no rule rounded, in millionths of a minor unit."""
        taken = sum(_exact_take(rule, gross_minor) for rule in rules)
        return gross_minor * _WHOLE_PPM - taken - self._correction_of(gross_minor)

    def _correction_of(self, gross_minor: int) -> int:
        """The correction at a price, in millionths of a minor unit."""
        if self.quote is None:
            return 0
        return self.correction_minor * gross_minor * _WHOLE_PPM // self.quote.gross.amount_minor


def first_from(candidates: range, price_minor: int) -> int:
    """The place of the first candidate that is not below a price; the length where all are."""
    return min(max(0, -(-(price_minor - candidates.start) // candidates.step)), len(candidates))


def gross_up(plan: SplitPlan, net: Money) -> Money:
    """The smallest price, at least one minor unit, of which the channel's plan leaves us `net`."""
    return Fees(plan, net.currency).gross_up(net)


def _exact_take(rule: SplitRule, gross_minor: int) -> int:
    take = gross_minor * rule.rate_ppm + rule.fixed_minor * _WHOLE_PPM
    if rule.maximum_minor is not None:
        take = min(take, rule.maximum_minor * _WHOLE_PPM)
    return max(take, (rule.minimum_minor or 0) * _WHOLE_PPM)
