"""Decides which facts of a sale a plan asks for, so that sales that are split alike need be split once.

Pure.
"""

from __future__ import annotations

from collections.abc import Hashable
from datetime import datetime

from core.money.plans.conditions import unmet
from core.money.plans.facts import Counted, Milestones, SaleFacts
from core.money.plans.rules import Base, PartyKind, Plan, Scope, TierBy
from core.money.plans.vesting import State, parts

_TAXED = (Base.TAX, Base.GROSS_LESS_TAX)


def key(plan: Plan, facts: SaleFacts, milestones: Milestones, now: datetime) -> Hashable:
    """Sales of one plan and key post the same entries. The plan itself is not part of it: key by its id too.

    Conditions count by their outcome alone, dates by what has vested. A plan with history is seldom worth
    remembering: its counters change with every sale.
    """
    rules = plan.rules
    bases = {rule.base for rule in rules}
    kinds = {rule.party.kind for rule in rules}
    by_order = any(rule.tiers is not None and rule.tiers.by is TierBy.ORDERS for rule in rules)
    per_order = any(rule.scope is Scope.ORDER for rule in rules)
    return (
        facts.unit_price,
        facts.channel,
        tuple(
            (codes.consignor, codes.quantity, codes.unit_cost_minor if Base.MARGIN in bases else None)
            for codes in facts.codes
        ),
        tuple(unmet(rule, facts) is None for rule in rules),
        facts.unit_tax_minor if bases.intersection(_TAXED) else None,
        facts.unit_redeemed_minor if Base.REDEEMED in bases else None,
        facts.buyer if PartyKind.BUYER in kinds else None,
        facts.buyer_order_no if by_order else None,
        facts.referrers if PartyKind.REFERRER in kinds else None,
        (facts.order_lines_minor, facts.line_index) if per_order else None,
        tuple(facts.counted.get(rule.name, Counted()) for rule in rules if rule.counts),
        _states(plan, milestones, now),
    )


def _states(plan: Plan, milestones: Milestones, now: datetime) -> tuple[tuple[State, ...], ...]:
    """For each rule, where each part of its share stands."""
    return tuple(tuple(part.state(now) for part in parts(rule, 0, milestones)) for rule in plan.rules)
