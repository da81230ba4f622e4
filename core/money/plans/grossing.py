"""Decides the smallest price of which the channel leaves us enough, also where its fees jump. Pure.

Tier tables make what is left fall at their starts: at 8.00 a marketplace may begin to take more than it did
at 7.99. So every stretch between two starts is searched by itself, the cheapest first. Within one, what is
left rises with the price but for roundings, at most half a minor unit for each rule.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
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


def commission(plan: Plan, facts: SaleFacts) -> int:
    """What the channel keeps of the price of one unit, sold alone; it may be more than the price."""
    require_currency(plan, facts.unit_price.currency)
    return sum(_asked(rule, facts) for rule in _channel_rules(plan, facts))


def gross_up(plan: Plan, net: Money, facts: SaleFacts, candidates: range) -> Money:
    """The first candidate price that leaves the net after commission; `facts` is a sale at any price."""
    require_currency(plan, net.currency)
    rules = _channel_rules(plan, facts)
    for start, end in _stretches(rules, facts, candidates):
        possible_minor = net.amount_minor - len(rules)
        first = bisect_left(
            candidates,
            True,
            start,
            end,
            key=lambda price: _left(rules, facts, price) >= possible_minor,
        )
        for price in candidates[first : min(end, first + _CANDIDATES_AT_MOST)]:
            if _left(rules, facts, price) >= net.amount_minor:
                return Money(price, net.currency)
    raise PlanRefused(
        f"split plan {plan.name}: there is no price of which the channel leaves {net}: its rules take almost"
        " everything; lower their rates"
    )


def _channel_rules(plan: Plan, facts: SaleFacts) -> list[Rule]:
    one = _of_one(facts, facts.unit_price.amount_minor)
    return [rule for rule in plan.rules if rule.party.kind is PartyKind.CHANNEL and unmet(rule, one) is None]


def _stretches(rules: list[Rule], facts: SaleFacts, candidates: range) -> Iterator[tuple[int, int]]:
    """Stretches of candidates, as positions, in which no rule changes its tier."""
    starts = {
        tier.start + (facts.unit_tax_minor if rule.base is Base.GROSS_LESS_TAX else 0)
        for rule in rules
        if rule.tiers is not None and rule.tiers.by is TierBy.AMOUNT
        for tier in rule.tiers.steps
    }
    cuts = sorted({bisect_left(candidates, start) for start in starts} | {0, len(candidates)})
    return pairwise(cuts)


def _left(rules: list[Rule], facts: SaleFacts, price_minor: int) -> int:
    one = _of_one(facts, price_minor)
    return price_minor - sum(_asked(rule, one) for rule in rules)


def _asked(rule: Rule, facts: SaleFacts) -> int:
    gross_minor = facts.unit_price.amount_minor
    base_minor = {
        Base.GROSS_LESS_TAX: max(0, gross_minor - facts.unit_tax_minor),
        Base.TAX: facts.unit_tax_minor,
        Base.REDEEMED: facts.unit_redeemed_minor or 0,
    }.get(rule.base, gross_minor)
    before = facts.counted.get(rule.name, Counted())
    return ask(rule, base_minor, before, 1, facts.buyer_order_no)


def _of_one(facts: SaleFacts, price_minor: int) -> SaleFacts:
    return replace(
        facts,
        unit_price=Money(price_minor, facts.unit_price.currency),
        codes=(CodesOf("", 1),),
        order_lines_minor=(),
        line_index=0,
    )
