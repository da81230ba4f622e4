"""Decides a listing's price: what we want to be paid, grossed up by commission, floored and rounded. Pure.

A price is the smallest one that pays us enough. It is found by search and not by a formula, because a
commission with a fixed part, a minimum, a maximum and a rounding of its own has no inverse.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from core.errors import PlanRefused
from core.money.money import Money, per_million
from core.money.splits import Party, SplitPlan, SplitRule, commission, percent, require_currency

_WHOLE_PPM = 1_000_000
_PRICES_BELOW_MINOR = 10**15
# Roundings move what is left of a price by half a unit per rule: where a channel leaves 1 % of a price or
# more, the one looked for lies within so many candidates of where it would be without roundings.
_CANDIDATES_AT_MOST = 10_000


@dataclass(frozen=True, slots=True)
class PriceRule:
    """How a base price becomes a channel's price.

    Prices are rounded up to a multiple of `rounding_minor` plus `ending_minor`: 100 and 99 make 7.99. The
    floor is the unit cost and `floor_margin_ppm` of it; None adds nothing to the cost.
    """

    markup_ppm: int = 0
    floor_margin_ppm: int | None = None
    rounding_minor: int = 1
    ending_minor: int | None = None

    def __post_init__(self) -> None:
        if min(self.markup_ppm, self.floor_margin_ppm or 0) < -_WHOLE_PPM:
            raise PlanRefused("price rule: a mark-up or margin below -100 % makes a price below zero")
        if self.rounding_minor < 1:
            raise PlanRefused(f"price rule: rounding_minor is {self.rounding_minor}: write 1 or more")
        if not 0 <= (self.ending_minor or 0) < self.rounding_minor:
            raise PlanRefused(
                f"price rule: ending_minor is {self.ending_minor}: write 0 or more, below rounding_minor"
                f" ({self.rounding_minor}), such as 99 below 100"
            )

    @property
    def candidates(self) -> range:
        """The prices that this rule may end at."""
        return range(self.ending_minor or self.rounding_minor, _PRICES_BELOW_MINOR, self.rounding_minor)


@dataclass(frozen=True, slots=True)
class PriceStep:
    """The amount after one step, and why: to the mark-up what we are paid, then what the buyer pays."""

    name: str
    amount_minor: int
    why: str


@dataclass(frozen=True, slots=True)
class PricePlan:
    """What the buyer pays, what the channel pays us of it, and how; the last step ends at gross."""

    gross: Money
    net: Money
    steps: tuple[PriceStep, ...]


def plan_price(base: Money, rule: PriceRule, plan: SplitPlan, unit_cost: Money | None) -> PricePlan:
    """The price of one unit. `base` is what we want to be paid after commission, before the mark-up."""
    if base.amount_minor <= 0:
        raise PlanRefused(f"the base price is {base}: write one above zero")
    require_currency(plan, base.currency)
    wanted = Money(base.amount_minor + per_million(base.amount_minor, rule.markup_ppm), base.currency)
    wanted_gross = gross_up(plan, wanted)
    floor, floor_why = _floor(base.currency, rule, unit_cost)
    needed = wanted if floor is None or floor.amount_minor < wanted.amount_minor else floor
    floored_gross = wanted_gross if needed == wanted else gross_up(plan, needed)
    gross = _smallest(plan, needed, rule.candidates)
    kept = wanted_gross - _net(plan, wanted_gross)
    steps = (
        PriceStep("base", base.amount_minor, "what we want to be paid"),
        PriceStep("markup", wanted.amount_minor, f"{percent(rule.markup_ppm)} of {base} added"),
        PriceStep("commission", wanted_gross.amount_minor, f"the channel keeps {kept}"),
        PriceStep("floor", floored_gross.amount_minor, floor_why),
        PriceStep("rounding", gross.amount_minor, _rounding_why(rule, base.currency)),
    )
    return PricePlan(gross, _net(plan, gross), steps)


def gross_up(plan: SplitPlan, net: Money) -> Money:
    """The smallest price, at least one minor unit, of which the channel leaves us `net`."""
    return _smallest(plan, net, range(1, _PRICES_BELOW_MINOR))


def _smallest(plan: SplitPlan, net: Money, candidates: range) -> Money:
    """The first candidate that leaves the net after commission.

    Without roundings, what is left never falls as the price rises, so that can be bisected. Several channel
    rules, each rounded by itself, make it fall by a unit here and there: hence candidate by candidate from
    the earliest possible.
    """
    require_currency(plan, net.currency)
    rules = [rule for rule in plan.rules if rule.party is Party.CHANNEL]
    earliest_millionths = net.amount_minor * _WHOLE_PPM - len(rules) * _WHOLE_PPM // 2
    start = bisect_left(candidates, earliest_millionths, key=lambda price: _exact_net(rules, price))
    for price in candidates[start : start + _CANDIDATES_AT_MOST]:
        gross = Money(price, net.currency)
        if _net(plan, gross).amount_minor >= net.amount_minor:
            return gross
    raise PlanRefused(
        f"split plan {plan.name}: there is no price of which the channel leaves {net}: its rules take almost"
        " everything; lower their rates"
    )


def _net(plan: SplitPlan, gross: Money) -> Money:
    return Money(gross.amount_minor - commission(plan, gross), gross.currency)


def _exact_net(rules: list[SplitRule], gross_minor: int) -> int:
    """What is left of a price if no rule rounded, in millionths of a minor unit."""
    return gross_minor * _WHOLE_PPM - sum(_exact_take(rule, gross_minor) for rule in rules)


def _exact_take(rule: SplitRule, gross_minor: int) -> int:
    take = gross_minor * rule.rate_ppm + rule.fixed_minor * _WHOLE_PPM
    if rule.maximum_minor is not None:
        take = min(take, rule.maximum_minor * _WHOLE_PPM)
    return max(take, (rule.minimum_minor or 0) * _WHOLE_PPM)


def _floor(currency: str, rule: PriceRule, unit_cost: Money | None) -> tuple[Money | None, str]:
    """The least we must be paid, rounded up, and why; None where no floor can be told."""
    if unit_cost is None:
        return None, "the unit cost is not known: no floor"
    if unit_cost.currency != currency:
        return None, f"the unit cost is {unit_cost}, the price in {currency}: no floor without conversion"
    margin_ppm = rule.floor_margin_ppm or 0
    floor = Money(-(-unit_cost.amount_minor * (_WHOLE_PPM + margin_ppm) // _WHOLE_PPM), currency)
    margin = f" + {percent(margin_ppm)}" if margin_ppm else ""
    return floor, f"we are never paid less than {floor}: unit cost {unit_cost}{margin}"


def _rounding_why(rule: PriceRule, currency: str) -> str:
    if rule.rounding_minor == 1:
        return "not rounded"
    ending = f" plus {Money(rule.ending_minor, currency)}" if rule.ending_minor else ""
    return f"up to a multiple of {Money(rule.rounding_minor, currency)}{ending}"
