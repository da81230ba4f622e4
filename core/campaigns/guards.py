"""Decides whether a reward may be given: limits, the order's margin, the buyer's lifetime, the budgets. Pure.

Each guard asks what would be with this reward, so what is granted never crosses a line, in whatever order
rewards come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from core.campaigns.campaign import Campaign, Limits, Reward
from core.campaigns.deciding import History, OrderFacts, Refused, Use, Why
from core.money.money import Money, percent
from core.money.plans.rules import PartyKind

_WHOLE_PPM = 1_000_000


def guard(
    campaign: Campaign, reward: Reward, facts: OrderFacts, history: History, amount_minor: int
) -> Refused | str:
    """The first line that would be crossed; else what there is to warn of, mostly nothing."""
    said = ""
    if refused := next(_limits(campaign, history, amount_minor), None):
        return refused
    margin = _margin(campaign, facts, history, amount_minor)
    if isinstance(margin, Refused):
        return margin
    said = margin
    if reward.rule.party.kind is PartyKind.BUYER:
        lifetime = _lifetime(campaign, facts, history, amount_minor)
        if lifetime is not None:
            return lifetime
    return _budget(campaign, history, amount_minor) or said


def _limits(campaign: Campaign, history: History, amount_minor: int) -> Iterator[Refused]:
    limits = campaign.limits
    for use in history.uses:
        most = _most_grants(limits, use.kind)
        if most is not None and use.grants >= most:
            yield Refused(Why.LIMIT, f"this {use.kind} has had {use.grants} of {most} rewards")
        if limits.amount_per_account_minor is not None and use.kind == "account":
            yield from _amount(campaign, use, limits.amount_per_account_minor, amount_minor)


def _amount(campaign: Campaign, use: Use, most_minor: int, amount_minor: int) -> Iterator[Refused]:
    if use.amount_minor + amount_minor > most_minor:
        had, most = (Money(minor, campaign.currency) for minor in (use.amount_minor, most_minor))
        more = Money(amount_minor, campaign.currency)
        yield Refused(Why.LIMIT, f"this account has had {had} of {most}, and {more} more is too much")


def _most_grants(limits: Limits, kind: str) -> int | None:
    return {
        "account": limits.grants_per_account,
        "address": limits.grants_per_address,
        "device": limits.grants_per_device,
    }.get(kind)


def _margin(campaign: Campaign, facts: OrderFacts, history: History, amount_minor: int) -> Refused | str:
    """All rewards of the order together, against what the order leaves."""
    guards, together_minor = campaign.guards, history.of_order_minor + amount_minor
    margin_minor = max(0, facts.margin_minor)
    rewards, margin = (Money(minor, campaign.currency) for minor in (together_minor, margin_minor))
    told = f"rewards of {rewards} for an order whose margin is {margin}"
    if _above(guards.margin_stop_ppm, together_minor, margin_minor):
        return Refused(Why.MARGIN, f"{told}: more than {percent(guards.margin_stop_ppm or 0)} of it")
    if _above(guards.margin_warn_ppm, together_minor, margin_minor):
        return f"{told}: more than {percent(guards.margin_warn_ppm or 0)} of it"
    return ""


def _lifetime(campaign: Campaign, facts: OrderFacts, history: History, amount_minor: int) -> Refused | None:
    line_ppm = campaign.guards.lifetime_ppm
    together_minor = history.of_buyer_minor + amount_minor
    if not _above(line_ppm, together_minor, facts.lifetime_minor):
        return None
    rewards, bought = (Money(minor, campaign.currency) for minor in (together_minor, facts.lifetime_minor))
    return Refused(
        Why.LIFETIME, f"rewards of {rewards} for {bought} bought in all: more than {percent(line_ppm or 0)}"
    )


def _above(line_ppm: int | None, part_minor: int, whole_minor: int) -> bool:
    return line_ppm is not None and part_minor * _WHOLE_PPM > max(0, whole_minor) * line_ppm


def _budget(campaign: Campaign, history: History, amount_minor: int) -> Refused | None:
    budget = campaign.budget
    day = _left(campaign, Why.DAY_BUDGET, "the day's budget", budget.per_day_minor, history.spent_today_minor)
    whole = _left(campaign, Why.BUDGET, "the budget", budget.total_minor, history.spent_minor)
    return day(amount_minor) or whole(amount_minor)


def _left(
    campaign: Campaign, why: Why, what: str, most_minor: int | None, spent_minor: int
) -> Callable[[int], Refused | None]:
    def refuse(amount_minor: int) -> Refused | None:
        if most_minor is None or spent_minor + amount_minor <= most_minor:
            return None
        left, wanted = (
            Money(minor, campaign.currency) for minor in (max(0, most_minor - spent_minor), amount_minor)
        )
        return Refused(why, f"{what} has {left} left, and {wanted} is wanted")

    return refuse
