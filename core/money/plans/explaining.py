"""Words a split for people, rule by rule, as the data of a waterfall picture. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from core.money.money import Money, percent
from core.money.plans.amounts import reached
from core.money.plans.facts import Counted
from core.money.plans.rules import Moment, Rule, Short, Tier, TierBy, TierMode, Vesting
from core.money.plans.waterfall import Run, Split

_VARIANTS_SHOWN = 3
_MOMENTS = {
    Moment.SALE: "at once",
    Moment.DELIVERY: "at delivery",
    Moment.HOLD: "after the hold",
    Moment.REDEMPTION: "at redemption",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One rule over the whole line: what there was, what it took, what it left, and why."""

    number: int
    rule: str
    party: str
    base: str
    base_minor: int
    amount_minor: int
    from_minor: int
    to_minor: int
    why: str
    applied: bool
    vests: str


@dataclass(frozen=True, slots=True)
class Waterfall:
    """A line from its gross price down to nothing."""

    plan: str
    version: int
    currency: str
    quantity: int
    start_minor: int
    steps: tuple[Step, ...]


def waterfall(split: Split) -> Waterfall:
    """Every rule as a step; where a loss was borne, it is the last. The amounts sum to the start."""
    left_minor = split.facts.gross_minor
    steps = []
    for index, rule in enumerate(split.plan.rules):
        amount_minor = split.amount_minor(index)
        why_not = split.unmet[index]
        steps.append(
            Step(
                number=index + 1,
                rule=rule.name,
                party=str(rule.party),
                base=str(rule.base),
                base_minor=split.base_minor(index),
                amount_minor=amount_minor,
                from_minor=left_minor,
                to_minor=left_minor - amount_minor,
                why=_why(split, index) if why_not is None else f"does not apply: {why_not}",
                applied=why_not is None,
                vests=vests(rule.vest),
            )
        )
        left_minor -= amount_minor
    if left_minor:
        steps.append(_loss(len(steps) + 1, left_minor))
    plan = split.plan
    return Waterfall(
        plan.name, plan.version, split.currency, split.facts.quantity, split.facts.gross_minor, tuple(steps)
    )


def vests(vest: Vesting) -> str:
    """When a share may be paid, in words."""
    said = _MOMENTS[vest.at]
    if vest.at is Moment.HOLD and vest.hold_days is not None:
        said = f"{vest.hold_days} days after delivery"
    return said if vest.parts == 1 else f"{said}, in {vest.parts} parts every {vest.every_days} days"


def _loss(number: int, left_minor: int) -> Step:
    why = "more was taken than the price: the operator bears it"
    base, now = "remains", "at once"
    return Step(number, "loss", "operator", base, left_minor, left_minor, left_minor, 0, why, True, now)


def _why(split: Split, index: int) -> str:
    """How the amount comes about, for each kind of unit in the line."""
    said: dict[str, int] = {}
    for run in split.runs:
        formula = _formula(split, index, run)
        said[formula] = said.get(formula, 0) + run.count
    shown = [f"{formula}, x {count}" if count > 1 else formula for formula, count in said.items()]
    more = f"; and {len(shown) - _VARIANTS_SHOWN} more" if len(shown) > _VARIANTS_SHOWN else ""
    return "; ".join(shown[:_VARIANTS_SHOWN]) + more


def _formula(split: Split, index: int, run: Run) -> str:
    rule, currency = split.plan.rules[index], split.currency
    taken = Money(run.amounts_minor[index], currency)
    base = Money(run.bases_minor[index], currency)
    if rule.rest:
        return f"the rest = {taken}"
    short = run.asked_minor[index] != run.amounts_minor[index]
    left = " (all that was left)" if short and rule.when_short is not Short.LOSS else ""
    order_no = split.facts.buyer_order_no
    rates = _rates(_in_tier(rule, base, order_no), base, currency)
    return f"{_tiers(rule, base, order_no)}{rates} = {taken}{left}"


def _tiers(rule: Rule, base: Money, order_no: int | None) -> str:
    """The table that decides; which tier, where the unit alone tells."""
    if rule.tiers is None:
        return ""
    tier = _tier(rule, base, order_no)
    if tier is None:
        return f"{rule.tiers.mode} tiers by {rule.tiers.by}, of {base}: "
    start = str(Money(tier.start, base.currency)) if rule.tiers.by is TierBy.AMOUNT else f"order {tier.start}"
    return f"from {start} on: "


def _tier(rule: Rule, base: Money, order_no: int | None) -> Tier | None:
    tiers = rule.tiers
    if tiers is None or tiers.by in (TierBy.UNITS, TierBy.TURNOVER):
        return None
    if tiers.by is TierBy.AMOUNT and (tiers.mode is TierMode.MARGINAL or rule.scope != "unit"):
        return None
    return reached(tiers, abs(base.amount_minor), Counted(), 1, order_no)


def _in_tier(rule: Rule, base: Money, order_no: int | None) -> Rule:
    tier = _tier(rule, base, order_no)
    return rule if tier is None else replace(rule, rate_ppm=tier.rate_ppm, fixed_minor=tier.fixed_minor)


def _rates(rule: Rule, base: Money, currency: str) -> str:
    said = []
    if rule.rate_ppm:
        said.append(f"{percent(rule.rate_ppm)} of {base}")
    if rule.fixed_minor:
        said.append(str(Money(rule.fixed_minor, currency)))
    bounds = (("at least", rule.minimum_minor), ("at most", rule.maximum_minor))
    limits = [f", {word} {Money(bound, currency)}" for word, bound in bounds if bound is not None]
    if rule.cap is not None:
        limits.append(f", at most {Money(rule.cap.amount_minor, currency)} a {rule.cap.per}")
    if rule.scope != "unit":
        limits.append(f", this unit's part of one amount per {rule.scope}")
    if not said and rule.tiers is not None:
        said.append("what they come to")
    return (" + ".join(said) or "nothing") + "".join(limits)
