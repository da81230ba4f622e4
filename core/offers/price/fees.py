"""Decides what a channel leaves of a price, and the smallest price that leaves enough. Pure.

It is found by search and not by a formula, because a commission with a fixed part, a minimum, a maximum,
tiers and a rounding of its own has no inverse. Where the channel's calculator was asked, its answer corrects
our plan: by the difference at the price it was asked for, and in proportion at others.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.errors import PlanRefused
from core.money.money import Money
from core.money.plans.facts import CodesOf, SaleFacts
from core.money.plans.grossing import channel_rules, kept, stretches
from core.money.plans.rules import Plan, Rule
from core.money.plans.waterfall import require_currency
from core.offers.price.facts import Offered, QuotedFee

_WHOLE_PPM = 1_000_000
_PRICES_BELOW_MINOR = 10**15
# Roundings move what is left of a price by half a unit per rule: where a channel leaves 1 % of a price or
# more, the one looked for lies within so many candidates of where it would be without roundings.
_CANDIDATES_AT_MOST = 10_000
# Channels change their commissions seldom, and say so.
_QUOTE_MAX_AGE = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Fees:
    """What a channel keeps: by the split plan, corrected by its own calculator where that was asked.

    `rules` are those of the plan that apply to this offer.
    """

    plan: Plan
    currency: str
    rules: tuple[Rule, ...]
    quote: QuotedFee | None = None

    @classmethod
    def of(
        cls,
        plan: Plan,
        currency: str,
        quote: QuotedFee | None,
        now: datetime,
        offered: Offered | None = None,
    ) -> Fees:
        """A quote that is old, in another currency or of nothing is left out."""
        require_currency(plan, currency)
        fits = (
            quote is not None
            and quote.gross.currency == quote.net.currency == currency
            and quote.gross.amount_minor > 0
            and now - quote.at <= _QUOTE_MAX_AGE
        )
        sale = sale_of(Money(0, currency), now, offered or Offered())
        return cls(plan, currency, channel_rules(plan, sale), quote if fits else None)

    @property
    def correction_minor(self) -> int:
        """How much more the channel keeps of the quoted price than our plan says."""
        if self.quote is None:
            return 0
        kept_minor = self.quote.gross.amount_minor - self.quote.net.amount_minor
        return kept_minor - kept(self.rules, self.quote.gross.amount_minor)

    def net(self, gross: Money) -> Money:
        """What reaches us of what the buyer pays."""
        return Money(self.net_minor(gross.amount_minor), gross.currency)

    def net_minor(self, gross_minor: int) -> int:
        """The same, of minor units."""
        left = gross_minor - kept(self.rules, gross_minor)
        return left if self.quote is None else left + -self._correction_of(gross_minor) // _WHOLE_PPM

    def gross_up(self, net: Money) -> Money:
        """The smallest price, at least one minor unit, of which the channel leaves us `net`."""
        return self.smallest(net, range(1, _PRICES_BELOW_MINOR))

    def smallest(self, net: Money, candidates: range) -> Money:
        """The first candidate that leaves the net after commission.

        Between two tiers and without roundings, what is left never falls as the price rises, so that can be
        bisected. Several rules, each rounded by itself, make it fall by a unit here and there: hence
        candidate by candidate from the earliest possible.
        """
        require_currency(self.plan, net.currency)
        # A single rule is rounded once: then what is left never falls at all.
        rounded_apart = len(self.rules) > 1 or self.quote is not None
        earliest_minor = net.amount_minor - (len(self.rules) + 1 if rounded_apart else 0)
        for start, end in stretches(self.rules, candidates):
            first = self._first(candidates, start, end, earliest_minor)
            for price in candidates[first : min(end, first + _CANDIDATES_AT_MOST)]:
                if self.net_minor(price) >= net.amount_minor:
                    return Money(price, net.currency)
        raise PlanRefused(
            f"split plan {self.plan.name}: there is no price of which the channel leaves {net}: its rules"
            " take almost everything; lower their rates"
        )

    def _first(self, candidates: range, start: int, end: int, earliest_minor: int) -> int:
        """The place of the first candidate of a stretch that may leave enough; its end where none does."""

        def enough(price: int) -> bool:
            return self.net_minor(price) >= earliest_minor

        if start >= end:
            return end
        # From where it would be if all rules were straight lines, in growing steps to either side: bisecting
        # all candidates there are would take many times as long.
        place = min(max(first_from(candidates, self._near(earliest_minor)), start), end - 1)
        low, high, step = start, end, 1
        if enough(candidates[place]):
            high = place
            while high > start:
                below = max(start, high - step)
                if not enough(candidates[below]):
                    low = below + 1
                    break
                high, step = below, 4 * step
        else:
            low = place + 1
            while low < end:
                above = min(end - 1, low + step - 1)
                if enough(candidates[above]):
                    high = above
                    break
                low, step = above + 1, 4 * step
        return bisect_left(candidates, True, low, high, key=enough)

    def _near(self, net_minor: int) -> int:
        """A price that leaves about so much: exactly so, where rules are straight lines and do not round."""
        price = max(net_minor, 1)
        left = self.net_minor(price)
        slope = self.net_minor(2 * price) - left
        return price + (net_minor - left) * price // slope if slope > 0 else price

    def _correction_of(self, gross_minor: int) -> int:
        """The correction at a price, in millionths of a minor unit."""
        if self.quote is None:
            return 0
        return self.correction_minor * gross_minor * _WHOLE_PPM // self.quote.gross.amount_minor


def sale_of(gross: Money, now: datetime, offered: Offered) -> SaleFacts:
    """One unit sold now at this price, as far as prices know sales: without buyer, history and tax."""
    return SaleFacts(
        unit_price=gross,
        codes=(CodesOf("", 1),),
        channel=offered.channel,
        sold_at=now,
        sku=offered.sku,
        tags=offered.tags,
    )


def first_from(candidates: range, price_minor: int) -> int:
    """The place of the first candidate that is not below a price; the length where all are."""
    return min(max(0, -(-(price_minor - candidates.start) // candidates.step)), len(candidates))
