"""Turns a plan of `core.money.splits` into one of this engine, and shows that both post the same entries.

Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from core.money import splits
from core.money.money import Money
from core.money.plans.facts import CodesOf, Milestones, SaleFacts
from core.money.plans.journal import sale_postings
from core.money.plans.rules import Base, Party, Plan, Rule, Short
from core.money.plans.waterfall import evaluate
from core.money.splits import Posting, SplitPlan, SplitRule

# These plans vest at once and know no dates, so any moment will do.
_ANY_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def translated(plan: SplitPlan) -> Plan:
    """The same plan in this engine's words: channels take at a loss, the others what is left."""
    currencies = [rule.currency for rule in plan.rules if rule.currency is not None]
    return Plan(
        name=plan.name,
        version=plan.version,
        currency=currencies[0] if currencies else None,
        rules=tuple(_translated(number, rule) for number, rule in enumerate(plan.rules, 1)),
    )


def _translated(number: int, rule: SplitRule) -> Rule:
    return Rule(
        name=f"{rule.party}-{number}",
        party=Party.parse(rule.party),
        base=Base(rule.base),
        rate_ppm=rule.rate_ppm,
        fixed_minor=rule.fixed_minor,
        minimum_minor=rule.minimum_minor,
        maximum_minor=rule.maximum_minor,
        rest=rule.rest,
        when_short=Short.LOSS if rule.party is splits.Party.CHANNEL else Short.LESS,
        currency=rule.currency,
    )


def both_postings(
    plan: SplitPlan, unit_price: Money, consignors: Sequence[tuple[str, int]], channel: str
) -> tuple[list[Posting], list[Posting]]:
    """The entries of a line by today's split and by this engine; equal for every plan there is."""
    quantity = sum(codes for _, codes in consignors)
    split = splits.split_line(plan, unit_price, quantity, consignors)
    facts = SaleFacts(
        unit_price=unit_price,
        codes=tuple(CodesOf(name, codes) for name, codes in consignors),
        channel=channel,
        sold_at=_ANY_MOMENT,
    )
    there = sale_postings(evaluate(translated(plan), facts), Milestones(_ANY_MOMENT), _ANY_MOMENT)
    return splits.postings(split, channel, unit_price.currency), there
