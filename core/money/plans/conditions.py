"""Decides whether a rule applies to a sale, and says which condition failed. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from core.money.plans.facts import SaleFacts
from core.money.plans.rules import Condition, PartyKind, Rule, TierBy


def unmet(rule: Rule, facts: SaleFacts) -> str | None:
    """Why the rule does not apply; None where it does."""
    return next(_reasons(rule, facts), None)


def _reasons(rule: Rule, facts: SaleFacts) -> Iterator[str]:
    party, when = rule.party, rule.when
    if party.kind is PartyKind.REFERRER and len(facts.referrers) < party.level:
        yield f"the buyer has no referrer of level {party.level}"
    if party.kind is PartyKind.BUYER and facts.buyer is None:
        yield "the channel does not tell who the buyer is"
    if rule.tiers is not None and rule.tiers.by is TierBy.ORDERS and facts.buyer_order_no is None:
        yield "it is not known which order of the buyer's this is"
    yield from _names(when, facts)
    yield from _times(when, facts)
    yield from _history(when, facts)


def _names(when: Condition, facts: SaleFacts) -> Iterator[str]:
    for what, wanted, found in (
        ("channel", when.channels, frozenset({facts.channel})),
        ("SKU", when.skus, frozenset({facts.sku})),
        ("tag", when.tags, facts.tags),
        ("buyer segment", when.segments, facts.segments),
    ):
        if wanted and not found.intersection(wanted):
            there = ", ".join(sorted(found - {""})) or "none"
            yield f"{what} is {there}, not {' or '.join(wanted)}"
    if unwanted := facts.tags.intersection(when.unless_tags):
        yield f"not for tag {', '.join(sorted(unwanted))}"


def _times(when: Condition, facts: SaleFacts) -> Iterator[str]:
    if when.starts_at is not None and facts.sold_at < when.starts_at:
        yield f"sold before {when.starts_at:%Y-%m-%d %H:%M}"
    if when.ends_at is not None and facts.sold_at >= when.ends_at:
        yield f"over since {when.ends_at:%Y-%m-%d %H:%M}"


def _history(when: Condition, facts: SaleFacts) -> Iterator[str]:
    if when.referrer is not None and len(facts.referrers) < when.referrer:
        yield f"the buyer has no referrer of level {when.referrer}"
    if when.orders_from is None and when.orders_to is None:
        return
    number = facts.buyer_order_no
    if number is None:
        yield "it is not known which order of the buyer's this is"
    elif when.orders_from is not None and number < when.orders_from:
        yield f"the buyer's order {number}; it is for order {when.orders_from} on"
    elif when.orders_to is not None and number > when.orders_to:
        yield f"the buyer's order {number}; it ends with order {when.orders_to}"
