"""Decides the smallest price of which the channel leaves us enough, also where its fees jump. Pure.

Tier tables make what is left fall at their starts: at 8.00 a marketplace may begin to take more than it did
at 7.99. So every stretch between two starts is searched by itself, the cheapest first. Within one, what is
left rises with the price but for roundings, at most half a minor unit for each rule.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from core.errors import PlanRefused
from core.money.money import Money
from core.money.plans.amounts import ask
from core.money.plans.conditions import unmet
from core.money.plans.facts import CodesOf, Counted, SaleFacts
from core.money.plans.rules import Base, PartyKind, Plan, Rule, TierBy
from core.money.plans.waterfall import require_currency

_CANDIDATES_AT_MOST = 10_000
_NOTHING_COUNTED = Counted()


def commission(plan: Plan, facts: SaleFacts) -> int:
    """What the channel keeps of the price of one unit, sold alone; it may be more than the price."""
    require_currency(plan, facts.unit_price.currency)
    return kept(channel_rules(plan, facts), facts.unit_price.amount_minor, facts)


def gross_up(plan: Plan, net: Money, facts: SaleFacts, candidates: range) -> Money:
    """The first candidate price that leaves the net after commission; `facts` is a sale at any price."""
    require_currency(plan, net.currency)
    rules = channel_rules(plan, facts)
    possible_minor = net.amount_minor - len(rules)
    for start, end in stretches(rules, candidates, facts.unit_tax_minor):
        first = bisect_left(
            candidates,
            True,
            start,
            end,
            key=lambda price: price - kept(rules, price, facts) >= possible_minor,
        )
        for price in candidates[first : min(end, first + _CANDIDATES_AT_MOST)]:
            if price - kept(rules, price, facts) >= net.amount_minor:
                return Money(price, net.currency)
    raise PlanRefused(
        f"split plan {plan.name}: there is no price of which the channel leaves {net}: its rules take almost"
        " everything; lower their rates"
    )


def channel_rules(plan: Plan, facts: SaleFacts) -> tuple[Rule, ...]:
    """The channel's rules that apply to such a sale; none of them depends on its price."""
    one = replace(facts, codes=(CodesOf("", 1),), order_lines_minor=(), line_index=0)
    return tuple(
        rule for rule in plan.rules if rule.party.kind is PartyKind.CHANNEL and unmet(rule, one) is None
    )


def stretches(rules: Sequence[Rule], candidates: range, unit_tax_minor: int = 0) -> Iterator[tuple[int, int]]:
    """Stretches of candidates, as positions, in which no rule changes its tier."""
    starts = {
        tier.start + (unit_tax_minor if rule.base is Base.GROSS_LESS_TAX else 0)
        for rule in rules
        if rule.tiers is not None and rule.tiers.by is TierBy.AMOUNT
        for tier in rule.tiers.steps
    }
    if not starts:
        return iter([(0, len(candidates))])
    cuts = sorted({bisect_left(candidates, start) for start in starts} | {0, len(candidates)})
    return pairwise(cuts)


def kept(rules: Sequence[Rule], gross_minor: int, facts: SaleFacts | None = None) -> int:
    """What rules of the channel take of the price of one unit; without facts: no tax, buyer or history."""
    kept_minor = 0
    # A loop and not a sum over a generator: searches ask this some ten times for every price there is.
    for rule in rules:
        kept_minor += _asked(rule, gross_minor, facts)
    return kept_minor


def _asked(rule: Rule, gross_minor: int, facts: SaleFacts | None) -> int:
    if facts is None:
        base_minor = 0 if rule.base in (Base.TAX, Base.REDEEMED) else gross_minor
        return ask(rule, base_minor, _NOTHING_COUNTED, 1, None)
    base_minor = {
        Base.GROSS_LESS_TAX: max(0, gross_minor - facts.unit_tax_minor),
        Base.TAX: facts.unit_tax_minor,
        Base.REDEEMED: facts.unit_redeemed_minor or 0,
    }.get(rule.base, gross_minor)
    return ask(rule, base_minor, facts.counted.get(rule.name, Counted()), 1, facts.buyer_order_no)
