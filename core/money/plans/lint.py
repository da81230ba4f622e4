"""Finds what is wrong with a plan before anything is sold by it: which rule, what, and how to mend it.

Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

from core.errors import InvalidInput, PlanRefused
from core.money.money import Money, percent
from core.money.plans.lint_amounts import Unfollowed, excesses
from core.money.plans.lint_conditions import contradictions
from core.money.plans.rules import (
    Base,
    Condition,
    Moment,
    PartyKind,
    Plan,
    Rule,
    Scope,
    TierBy,
    TierMode,
    Tiers,
)

RULES_AT_MOST = 32
PARTS_AT_MOST = 366
_WHOLE_PPM = 1_000_000
_REFERRAL_LEVELS = 2
_EARLY = (Base.GROSS, Base.GROSS_LESS_TAX, Base.TAX, Base.REDEEMED)
_PYRAMID = (
    "a third level of referral is refused: rewards by level for those whom one's recruits recruited are a"
    " mark by which laws tell pyramid selling, in China the Regulation on the Prohibition of Pyramid Selling"
    " (禁止传销条例); reward levels 1 and 2 at most. Two levels are this program's limit and no promise that"
    " the law allows them: ask a lawyer where you trade"
)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a plan; `number` counts rules from 1 and is 0 for the plan as a whole."""

    number: int
    rule: str
    text: str

    def __str__(self) -> str:
        return f"rule {self.number} ({self.rule}): {self.text}" if self.number else self.text


@dataclass(frozen=True, slots=True)
class DraftPlan:
    """A plan as somebody wrote it: what it says, if it can be read, and what is wrong with it."""

    plan: Plan | None
    problems: tuple[str, ...]


def lint(plan: Plan) -> list[Problem]:
    """Every problem, rule by rule; none: the plan splits every price in its range, whatever the sale."""
    found = [Problem(0, "", text) for text in _of_plan(plan)]
    for number, rule in enumerate(plan.rules, 1):
        texts = [*_of_rule(rule, plan), *_of_place(plan, number)]
        found += [Problem(number, rule.name, text) for text in texts]
    # Amounts can be followed only through rules that make sense one by one.
    return found or [Problem(index + 1, plan.rules[index].name, text) for index, text in _over(plan)]


def require_sound(plan: Plan) -> None:
    """PlanRefused with the first problem of a plan that has any."""
    for problem in lint(plan):
        raise PlanRefused(f"split plan {plan.name}, {problem}")


def _of_plan(plan: Plan) -> Iterator[str]:
    if not 1 <= len(plan.rules) <= RULES_AT_MOST:
        yield f"it has {len(plan.rules)} rules: write 1 to {RULES_AT_MOST}"
    elif not plan.rules[-1].rest:
        yield "no rule takes the rest: let the last one be the consignor's or the operator's with rest = true"
    if plan.currency is not None:
        yield from _of_currency(plan.currency)
    if not 0 <= plan.smallest_minor <= plan.largest_minor:
        yield "its smallest price is below zero or above its largest: exchange them"
    if plan.starts_at is not None and plan.ends_at is not None and plan.starts_at >= plan.ends_at:
        yield "it ends before it begins: exchange starts_at and ends_at"
    if plan.kept_borne_by.kind not in (PartyKind.OPERATOR, PartyKind.CONSIGNOR):
        yield f"{plan.kept_borne_by} cannot bear kept fees: write operator or consignor"
    for name, times in Counter(rule.name for rule in plan.rules).items():
        if times > 1:
            yield f"{times} rules are named {name}: give each a name of its own, caps and tiers count by it"


def _of_currency(currency: str) -> Iterator[str]:
    try:
        Money(0, currency)
    except InvalidInput as error:
        yield str(error)


def _of_rule(rule: Rule, plan: Plan) -> Iterator[str]:
    yield from _of_amounts(rule)
    yield from _of_money_words(rule, plan)
    if rule.tiers is not None:
        yield from _of_tiers(rule, rule.tiers, plan)
    yield from _of_party(rule, plan)
    yield from contradictions(rule.when, plan)
    yield from _of_time(rule)


def _of_amounts(rule: Rule) -> Iterator[str]:
    rates = [rule.rate_ppm, *(step.rate_ppm for step in (rule.tiers.steps if rule.tiers else ()))]
    for rate_ppm in rates:
        if not 0 <= rate_ppm <= _WHOLE_PPM:
            yield f"a rate is {percent(rate_ppm)}: write 0 to 100 %"
    if any(amount < 0 for amount in _amounts(rule)):
        yield "an amount is below zero: a rule only takes, it never gives"
    low, high = rule.minimum_minor, rule.maximum_minor
    if low is not None and high is not None and low > high:
        yield "its minimum is above its maximum: exchange them"
    if rule.cap is not None and low is not None and low > rule.cap.amount_minor:
        yield "its minimum is above its cap: the cap would always win; raise it"
    if rule.rest and (any(_amounts(rule)) or any(rates) or rule.scope is not Scope.UNIT or rule.cap):
        yield "it takes the rest: remove its rate, amounts, tiers, cap and scope"
    if not rule.rest and not any(rates) and not any(_amounts(rule)):
        yield "it never takes anything: write rate_percent, fixed, tiers or rest = true"
    if not rule.rest and (high == 0 or (rule.cap is not None and rule.cap.amount_minor == 0)):
        yield "it never takes anything: its maximum or cap is zero; raise it or remove the rule"
    if rule.scope is Scope.ORDER and rule.base is not Base.GROSS:
        yield "what is reckoned per order is reckoned of the gross price: write base = gross"


def _of_money_words(rule: Rule, plan: Plan) -> Iterator[str]:
    if rule.currency is not None and plan.currency is not None and rule.currency != plan.currency:
        yield f"its amounts are in {rule.currency}, the plan's in {plan.currency}: one plan per currency"
    if plan.currency is None and (any(_amounts(rule)) or _has_thresholds(rule)):
        yield "it has amounts, but the plan has no currency: name it"


def _has_thresholds(rule: Rule) -> bool:
    money = rule.tiers is not None and rule.tiers.by in (TierBy.AMOUNT, TierBy.TURNOVER)
    return money and rule.tiers is not None and any(step.start for step in rule.tiers.steps)


def _amounts(rule: Rule) -> list[int]:
    bounds = (rule.minimum_minor, rule.maximum_minor, rule.cap.amount_minor if rule.cap else None)
    steps = rule.tiers.steps if rule.tiers else ()
    return [rule.fixed_minor, *(step.fixed_minor for step in steps), *(b for b in bounds if b is not None)]


def _of_tiers(rule: Rule, tiers: Tiers, plan: Plan) -> Iterator[str]:
    if rule.rate_ppm or rule.fixed_minor:
        yield "it has tiers and a rate or fixed amount of its own: write them into the tiers"
    if not tiers.steps:
        yield "its table has no tiers: write at least one, from = 0"
    for number, (step, following) in enumerate(pairwise(tiers.steps), 1):
        if following.start <= step.start:
            yield (
                f"tiers {number} and {number + 1} overlap: both hold from {max(step.start, following.start)};"
                " let each begin above the one before it"
            )
    if any(step.start < 0 for step in tiers.steps):
        yield "a tier begins below zero: let the first begin at 0"
    by_history = tiers.by in (TierBy.UNITS, TierBy.TURNOVER)
    if rule.cap is not None and by_history and rule.cap.per is not tiers.per:
        yield f"its cap counts by the {rule.cap.per}, its tiers by the {tiers.per}: write one period"
    if tiers.mode is TierMode.MARGINAL and any(step.fixed_minor for step in tiers.steps):
        yield "marginal tiers have rates alone: remove their fixed amounts, or write mode = whole"
    if tiers.by is TierBy.AMOUNT and rule.scope is Scope.UNIT and rule.base is Base.GROSS:
        for number, step in enumerate(tiers.steps, 1):
            if step.start > plan.largest_minor:
                yield f"tier {number} is never reached: it begins above the plan's largest price; remove it"


def _of_party(rule: Rule, plan: Plan) -> Iterator[str]:
    party = rule.party
    if party.kind is PartyKind.REFERRER and party.level > _REFERRAL_LEVELS:
        yield _PYRAMID
    if party.kind is PartyKind.REFERRER and party.level < 1:
        yield "a referrer has a level: write referrer-1 or referrer-2"
    if party.kind in (PartyKind.BUDGET, PartyKind.OTHER) and not party.name:
        yield f"a {party.kind} has a name: write {party.kind}:NAME"
    if (rule.when.referrer or 0) > _REFERRAL_LEVELS:
        yield f"it waits for a referrer of level {rule.when.referrer}; two levels at most: lower it"
    if party.kind is PartyKind.CHANNEL and rule.base not in _EARLY:
        yield "the channel's commission is reckoned of the price: write base = gross"
    if rule.lapse is not None and rule.lapse.to.kind not in (
        PartyKind.OPERATOR,
        PartyKind.BUDGET,
        PartyKind.OTHER,
    ):
        yield f"it lapses to {rule.lapse.to}: let it lapse to operator, budget:NAME or party:NAME"


def _of_time(rule: Rule) -> Iterator[str]:
    vest, lapse = rule.vest, rule.lapse
    if not 1 <= vest.parts <= PARTS_AT_MOST:
        yield f"it vests in {vest.parts} parts: write 1 to {PARTS_AT_MOST}"
    if (vest.parts > 1) != (vest.every_days > 0):
        yield "parts and every_days belong together: write 2 parts or more, and every_days = 1 or more"
    if (vest.hold_days or 0) < 0 or (vest.hold_days is not None and vest.at is not Moment.HOLD):
        yield "hold_days is a number of days, 0 or more, of what vests at hold: mend or remove it"
    if rule.party.kind is PartyKind.CHANNEL and (vest.at is not Moment.SALE or vest.parts > 1 or lapse):
        yield "the channel keeps its part when it pays, so it neither waits nor lapses: remove vest, lapse"
    if lapse is None:
        return
    earliest_days = (vest.hold_days or 0) + (vest.parts - 1) * max(0, vest.every_days)
    if lapse.days < 1 or lapse.days <= earliest_days:
        yield f"it lapses after {lapse.days} days, before it can vest (after {earliest_days}): write more"
    if vest.at is Moment.SALE and vest.parts == 1:
        yield "it vests at the sale, so it can never lapse: remove lapse, or let it vest later"


def _of_place(plan: Plan, number: int) -> Iterator[str]:
    """What is wrong with a rule because of those before it, or because it is the last or not."""
    rule, before = plan.rules[number - 1], plan.rules[: number - 1]
    last = number == len(plan.rules)
    if rule.rest and last and rule.when != Condition():
        yield "the last rule takes the rest of every sale: remove its condition"
    if rule.rest and last and rule.party.kind in (PartyKind.REFERRER, PartyKind.BUYER):
        yield f"the rest of every sale cannot be {rule.party}'s, who may not be there: give it to another"
    if rule.rest and rule.party.kind is PartyKind.CHANNEL:
        yield "the channel does not take the rest: write its rate or amounts"
    for other in before:
        if _takes_all(other):
            yield f"it is never reached: {other.name} takes all that is left; move it up, or remove it"
            break
    reckoned = any(other.base in (Base.AFTER_CHANNEL, Base.MARGIN) for other in before)
    if rule.party.kind is PartyKind.CHANNEL and reckoned:
        yield "a rule before it reckons with what the channel leaves: move the channel's to the front"
    levels = {other.party.level for other in plan.rules if other.party.kind is PartyKind.REFERRER}
    if rule.party.kind is PartyKind.REFERRER and rule.party.level == _REFERRAL_LEVELS and 1 not in levels:
        yield "it rewards the second level and nobody the first: add a rule for referrer-1"


def _takes_all(rule: Rule) -> bool:
    """Whether nothing is left after it, whatever the sale."""
    if rule.when != Condition() or rule.party.kind in (PartyKind.REFERRER, PartyKind.BUYER):
        return False
    bounded = rule.maximum_minor is not None or rule.cap is not None
    everything = rule.rate_ppm >= _WHOLE_PPM and rule.base in (Base.GROSS, Base.REMAINS)
    return rule.rest or (everything and not bounded and rule.tiers is None)


def _over(plan: Plan) -> Iterator[tuple[int, str]]:
    try:
        found = excesses(plan)
    except Unfollowed as refused:
        yield (
            refused.index,
            "with the rules before it, it makes more cases than can be followed, so nobody can say that the"
            " plan fits: write fewer tiers, or base = gross",
        )
        return
    for excess in found:
        price, over = (_shown(plan, minor) for minor in (excess.price_minor, ceil(excess.excess_minor)))
        yield (
            excess.index,
            f"over-allocated: of a price of {price} it can ask for {over} more than the others leave:"
            " lower rates or amounts, begin the plan's range higher (smallest), or let it take what is left"
            ' (when_short = "less")',
        )


def _shown(plan: Plan, amount_minor: int) -> str:
    return str(Money(amount_minor, plan.currency)) if plan.currency else f"{amount_minor} minor units"
