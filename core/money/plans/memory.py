"""Decides which facts of a sale a plan asks for, so that sales split alike need be split once. Pure."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime

from core.money.plans.conditions import unmet
from core.money.plans.facts import Counted, Milestones, SaleFacts
from core.money.plans.rules import Base, Condition, PartyKind, Plan, Rule, Scope, TierBy, Vesting
from core.money.plans.vesting import State, parts

_TAXED = (Base.TAX, Base.GROSS_LESS_TAX)


@dataclass(frozen=True, slots=True)
class Questions:
    """What a plan asks of a sale beside its price, its channel and whose codes they are; worked out once."""

    conditional: tuple[Rule, ...]  # rules that may not apply
    waiting: tuple[Rule, ...]  # rules whose shares may not have vested
    counting: tuple[str, ...]  # rules with history: such a plan is seldom worth remembering
    cost: bool
    tax: bool
    redeemed: bool
    buyer: bool
    referrers: bool
    segments: bool
    order_no: bool
    order_lines: bool

    @property
    def plain(self) -> bool:
        """Whether price, channel and owners tell everything."""
        some = (self.cost, self.tax, self.redeemed, self.buyer, self.referrers, self.order_no)
        return not (self.conditional or self.waiting or self.counting or self.order_lines or any(some))

    @classmethod
    def of(cls, plan: Plan) -> Questions:
        """The questions of a plan."""
        rules = plan.rules
        bases = {rule.base for rule in rules}
        kinds = {rule.party.kind for rule in rules}
        by_order = (_by_order(rule) for rule in rules)
        return cls(
            conditional=tuple(rule for rule in rules if _conditional(rule)),
            waiting=tuple(rule for rule in rules if rule.vest != Vesting() or rule.lapse is not None),
            counting=tuple(rule.name for rule in rules if rule.counts),
            cost=Base.MARGIN in bases,
            tax=bool(bases.intersection(_TAXED)),
            redeemed=Base.REDEEMED in bases,
            buyer=PartyKind.BUYER in kinds,
            referrers=PartyKind.REFERRER in kinds or any(rule.when.referrer for rule in rules),
            segments=any(rule.when.segments for rule in rules),
            order_no=any(by_order),
            order_lines=any(rule.scope is Scope.ORDER for rule in rules),
        )

    def key(self, facts: SaleFacts, milestones: Milestones, now: datetime) -> Hashable:
        """Sales of one plan and key post the same entries; the caller adds which plan it is.

        Conditions count by their outcome alone, dates by what has vested.
        """
        price = facts.unit_price
        whose = tuple(
            (
                codes.consignor,
                codes.quantity,
                codes.unit_cost_minor if self.cost else None,
                codes.unit_tax_minor if self.tax else None,
            )
            for codes in facts.codes
        )
        return price.amount_minor, price.currency, facts.channel, whose, self._more(facts, milestones, now)

    def _more(self, facts: SaleFacts, milestones: Milestones, now: datetime) -> Hashable:
        return (
            tuple(unmet(rule, facts) is None for rule in self.conditional),
            tuple(_states(rule, milestones, now) for rule in self.waiting),
            tuple(facts.counted.get(name, Counted()) for name in self.counting),
            facts.unit_tax_minor if self.tax else None,
            facts.unit_redeemed_minor if self.redeemed else None,
            facts.buyer if self.buyer else None,
            facts.referrers if self.referrers else None,
            facts.buyer_order_no if self.order_no else None,
            (facts.order_lines_minor, facts.line_index) if self.order_lines else None,
        )


def is_plain(plan: Plan) -> bool:
    """Whether sales of one price, channel and owners are split alike by a plan, whenever they are sold."""
    return plan.starts_at is None and plan.ends_at is None and Questions.of(plan).plain


def _by_order(rule: Rule) -> bool:
    """Whether it has to be known which order of the buyer's it is."""
    when = rule.when
    by_tiers = rule.tiers is not None and rule.tiers.by is TierBy.ORDERS
    return by_tiers or when.orders_from is not None or when.orders_to is not None


def _conditional(rule: Rule) -> bool:
    party = rule.party.kind in (PartyKind.REFERRER, PartyKind.BUYER)
    by_order = rule.tiers is not None and rule.tiers.by is TierBy.ORDERS
    return party or by_order or rule.when != Condition()


def _states(rule: Rule, milestones: Milestones, now: datetime) -> tuple[State, ...]:
    """Where each part of a rule's share stands."""
    return tuple(part.state(now) for part in parts(rule, 0, milestones))
