"""Decides what a rule asks of a base, whether or not it is there. Pure.

Rates are rounded half up, once per amount. Marginal tiers over a period's turnover are the difference of
two rounded sums, so what a rule takes over the period depends on the turnover alone, however it was cut
into sales.
"""

from __future__ import annotations

from core.money.money import per_million
from core.money.plans.facts import Counted
from core.money.plans.rules import Rule, Tier, TierBy, TierMode, Tiers


def ask(rule: Rule, base_minor: int, before: Counted, units: int, order_no: int | None) -> int:
    """What the rule asks of a base.

    `units` is how many units this line has brought it, this one among them.
    """
    if rule.tiers is None:
        amount_minor = per_million(base_minor, rule.rate_ppm) + rule.fixed_minor
    elif rule.tiers.mode is TierMode.MARGINAL and rule.tiers.by in (TierBy.AMOUNT, TierBy.TURNOVER):
        amount_minor = _marginal(rule.tiers, base_minor, before)
    else:
        tier = reached(rule.tiers, base_minor, before, units, order_no)
        if tier is None:
            return 0
        amount_minor = per_million(base_minor, tier.rate_ppm) + tier.fixed_minor
    return _within(rule, amount_minor, before)


def reached(tiers: Tiers, base_minor: int, before: Counted, units: int, order_no: int | None) -> Tier | None:
    """The tier that decides; None below the first."""
    measure = {
        TierBy.AMOUNT: base_minor,
        TierBy.UNITS: before.units + units,
        TierBy.TURNOVER: before.turnover_minor,
        TierBy.ORDERS: order_no or 0,
    }[tiers.by]
    return max((tier for tier in tiers.steps if tier.start <= measure), key=lambda t: t.start, default=None)


def _within(rule: Rule, amount_minor: int, before: Counted) -> int:
    if rule.maximum_minor is not None:
        amount_minor = min(amount_minor, rule.maximum_minor)
    if rule.minimum_minor is not None:
        amount_minor = max(amount_minor, rule.minimum_minor)
    if rule.cap is not None:
        amount_minor = min(amount_minor, max(0, rule.cap.amount_minor - before.taken_minor))
    return amount_minor


def _marginal(tiers: Tiers, base_minor: int, before: Counted) -> int:
    if tiers.by is TierBy.AMOUNT:
        return _up_to(tiers, base_minor)
    start_minor = before.turnover_minor
    return _up_to(tiers, start_minor + base_minor) - _up_to(tiers, start_minor)


def _up_to(tiers: Tiers, measure_minor: int) -> int:
    """What all parts of an amount come to, each in its own tier; rounded once."""
    steps = tiers.steps
    millionths = 0
    for tier, following in zip(steps, [*steps[1:], None], strict=True):
        end_minor = measure_minor if following is None else min(measure_minor, following.start)
        millionths += max(0, end_minor - tier.start) * tier.rate_ppm
    return per_million(millionths, 1)
