"""Finds an order whose rewards could come to more than its price. Pure.

What a reward comes to is a straight line of the order's price between the points where something bends: a
tier, a maximum, the smallest order. So it is enough to look at those points and just before them. Whatever a
reward is reckoned of is at most the price; the largest window and the largest outcome are taken as open and
drawn. Points are left out: what they are worth their programme says, and the guards look at every order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core.campaigns.campaign import WHOLE_PPM, Campaign, PaysKind, Reward
from core.money.money import per_million
from core.money.plans.lint_conditions import together
from core.money.plans.rules import LARGEST_MINOR, Plan, Rule, TierBy


@dataclass(frozen=True, slots=True)
class Excess:
    """An order of this price, and what its rewards could come to."""

    price_minor: int
    most_minor: int
    rewards: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    """From this price on: a rate and an amount, both as large as they can be."""

    start_minor: int
    rate_ppm: int
    fixed_minor: int


def excess(campaign: Campaign) -> list[Excess]:
    """The first order found whose rewards are more than its price; empty where there is none."""
    rewards = [each for each in campaign.rewards if each.pays.kind is not PaysKind.POINTS]
    plan = Plan(campaign.name, tuple(each.rule for each in rewards), currency=campaign.currency)
    for group in together(plan):
        chosen = [rewards[index] for index in sorted(group)]
        for price_minor in sorted(_prices(campaign, chosen)):
            most_minor = sum(_most(campaign, each, price_minor) for each in chosen)
            # Each may be rounded up by less than one unit, where it is a part of the price.
            if most_minor > price_minor + len(chosen):
                return [Excess(price_minor, most_minor, tuple(each.rule.name for each in chosen))]
    return []


def _prices(campaign: Campaign, rewards: list[Reward]) -> Iterator[int]:
    """Between these all is straight: the ends of the range, tiers, and where a bound is reached."""
    smallest_minor = max(1, campaign.guards.minimum_order_minor)
    bends = {smallest_minor, LARGEST_MINOR}
    for reward in rewards:
        times_ppm = _times_ppm(campaign, reward.rule)
        for line in _lines(reward):
            bends |= {line.start_minor - 1, line.start_minor}
            rate_ppm, fixed_minor = (n * times_ppm // WHOLE_PPM for n in (line.rate_ppm, line.fixed_minor))
            for bound in _bounds(campaign, reward.rule):
                if rate_ppm:
                    reached = max(0, bound - fixed_minor) * WHOLE_PPM // rate_ppm
                    bends |= {reached, reached + 1}
    return (price for price in bends if smallest_minor <= price <= LARGEST_MINOR)


def _bounds(campaign: Campaign, rule: Rule) -> list[int]:
    """What it can never be more than."""
    each = (rule.maximum_minor, rule.cap.amount_minor if rule.cap else None, campaign.budget.total_minor)
    return [bound for bound in each if bound is not None]


def _most(campaign: Campaign, reward: Reward, price_minor: int) -> int:
    """The most that a reward comes to for a price."""
    rule = reward.rule
    open_lines = [line for line in _lines(reward) if line.start_minor <= price_minor]
    each = (per_million(price_minor, line.rate_ppm) + line.fixed_minor for line in _highest(rule, open_lines))
    most_minor = per_million(max(each, default=0), _times_ppm(campaign, rule))
    if rule.minimum_minor is not None:
        most_minor = max(most_minor, rule.minimum_minor)
    return min((most_minor, *_bounds(campaign, rule)))


def _highest(rule: Rule, lines: list[_Line]) -> list[_Line]:
    """Of tiers by amount the one reached; of all others any may be."""
    by_amount = rule.tiers is not None and rule.tiers.by is TierBy.AMOUNT
    return [max(lines, key=lambda line: line.start_minor)] if by_amount and lines else lines


def _lines(reward: Reward) -> list[_Line]:
    rule = reward.rule
    if reward.outcomes:
        return [_Line(0, each.rate_ppm, each.fixed_minor) for each in reward.outcomes]
    if rule.tiers is None:
        return [_Line(0, rule.rate_ppm, rule.fixed_minor)]
    by_amount = rule.tiers.by is TierBy.AMOUNT
    return [
        _Line(step.start if by_amount else 0, step.rate_ppm, step.fixed_minor) for step in rule.tiers.steps
    ]


def _times_ppm(campaign: Campaign, rule: Rule) -> int:
    """The largest that windows can make of it: all that name it, up to the cap."""
    product = WHOLE_PPM
    for window in campaign.multipliers:
        if (not window.rewards or rule.name in window.rewards) and window.times_ppm > WHOLE_PPM:
            product = product * window.times_ppm // WHOLE_PPM
    return min(product, max(WHOLE_PPM, campaign.multiplier_cap_ppm))
