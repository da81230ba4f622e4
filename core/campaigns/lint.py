"""Finds what is wrong with a campaign before it is published: which reward, and how to mend it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from core.campaigns.campaign import WHOLE_PPM, Campaign, Pays, PaysKind, Reward
from core.campaigns.lint_most import Excess, excess
from core.errors import PlanRefused
from core.money.money import Money, percent
from core.money.plans.lint import lint as lint_plan
from core.money.plans.rules import OPERATOR, Base, Moment, PartyKind, Plan, Rule, Short

REWARDS_AT_MOST = 16
OUTCOMES_AT_MOST = 64
MULTIPLIERS_AT_MOST = 32
_WEIGHTS_AT_MOST = 1_000_000_000
_BASES = (Base.GROSS, Base.AFTER_CHANNEL, Base.MARGIN)
_PARTIES = (PartyKind.BUYER, PartyKind.REFERRER)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong; `number` counts rewards from 1, 0 is the campaign, `key` the table that it is about."""

    number: int
    reward: str
    key: str
    text: str

    def __str__(self) -> str:
        where = f"reward {self.number} ({self.reward}): " if self.number else ""
        return f"{where}{self.text}"


def lint(campaign: Campaign) -> list[Problem]:
    """Every problem; none: it can be published, and no order is ever worth more in rewards than its price."""
    found = [Problem(0, "", key, text) for key, text in _of_campaign(campaign)]
    by_rule = _of_rules(campaign)
    for number, reward in enumerate(campaign.rewards, 1):
        texts = [*by_rule.get(number, ()), *_of_reward(campaign, reward)]
        found += [Problem(number, reward.rule.name, "", text) for text in texts]
    # What rewards can come to is followed only where each makes sense by itself.
    return found or [Problem(0, "", "", _told(campaign, over)) for over in excess(campaign)]


def require_sound(campaign: Campaign) -> None:
    """PlanRefused with the first problem of a campaign that has any."""
    for problem in lint(campaign):
        raise PlanRefused(f"campaign {campaign.name}, {problem}")


def _of_campaign(campaign: Campaign) -> Iterator[tuple[str, str]]:
    if not 1 <= len(campaign.rewards) <= REWARDS_AT_MOST:
        yield "", f"it has {len(campaign.rewards)} rewards: write 1 to {REWARDS_AT_MOST}"
    if campaign.starts_at >= campaign.ends_at:
        yield "", "it ends before it begins: exchange starts_at and ends_at"
    budget = campaign.budget
    if budget.total_minor <= 0:
        yield "budget", "a campaign without a budget has no end to its cost: write a total above zero"
    if budget.per_day_minor is not None and not 0 < budget.per_day_minor <= budget.total_minor:
        yield "budget", "the day's budget lies between zero and the total: mend it, or leave it out"
    for name, times in Counter(reward.rule.name for reward in campaign.rewards).items():
        if times > 1:
            yield "", f"{times} rewards are named {name}: give each a name of its own"
    yield from _of_guards(campaign)
    yield from _of_limits(campaign)
    yield from _of_multipliers(campaign)


def _of_guards(campaign: Campaign) -> Iterator[tuple[str, str]]:
    guards = campaign.guards
    warn, stop = guards.margin_warn_ppm, guards.margin_stop_ppm
    if warn is not None and stop is not None and warn > stop:
        yield (
            "guards",
            f"it warns from {percent(warn)} of the margin, and stops at {percent(stop)} already:"
            " exchange them",
        )
    if guards.minimum_order_minor < 0:
        yield "guards", "the minimum order is below zero: write 0 or more"


def _of_limits(campaign: Campaign) -> Iterator[tuple[str, str]]:
    limits = campaign.limits
    each = (
        ("grants_per_account", limits.grants_per_account),
        ("amount_per_account", limits.amount_per_account_minor),
        ("grants_per_address", limits.grants_per_address),
        ("grants_per_device", limits.grants_per_device),
    )
    for key, most in each:
        if most is not None and most < 1:
            yield "limits", f"{key} lets nobody have anything: write 1 or more, or leave it out"


def _of_multipliers(campaign: Campaign) -> Iterator[tuple[str, str]]:
    names = {reward.rule.name for reward in campaign.rewards}
    if len(campaign.multipliers) > MULTIPLIERS_AT_MOST:
        yield "multipliers", f"it has {len(campaign.multipliers)} windows: {MULTIPLIERS_AT_MOST} at most"
        return
    for window in campaign.multipliers:
        if window.starts_at >= window.ends_at:
            yield "multipliers", f"window {window.name} ends before it begins: exchange its dates"
        elif window.starts_at >= campaign.ends_at or window.ends_at <= campaign.starts_at:
            yield "multipliers", f"window {window.name} lies outside the campaign's dates: move it"
        if window.times_ppm <= 0:
            yield "multipliers", f"window {window.name} is {_times(window.times_ppm)}: write more than zero"
        for unknown in sorted(set(window.rewards) - names):
            yield "multipliers", f"window {window.name}: no reward is named {unknown}"
    for name in sorted(names):
        product, windows = _largest(campaign, name)
        if product > campaign.multiplier_cap_ppm:
            yield (
                "multipliers",
                f"reward {name} is up to {_times(product)} while {' and '.join(windows)} are open together,"
                f" above multiplier_cap {_times(campaign.multiplier_cap_ppm)}: part the windows, lower them,"
                " or raise the cap",
            )


def _largest(campaign: Campaign, reward: str) -> tuple[int, list[str]]:
    """The largest product of windows that are open together, and which; tried where each begins."""
    windows = [each for each in campaign.multipliers if not each.rewards or reward in each.rewards]
    best: tuple[int, list[str]] = (WHOLE_PPM, [])
    for start in {window.starts_at for window in windows}:
        product, named = WHOLE_PPM, []
        for window in windows:
            if window.starts_at <= start < window.ends_at and window.times_ppm > 0:
                product = product * window.times_ppm // WHOLE_PPM
                named.append(window.name)
        best = max(best, (product, named))
    return best


def _times(times_ppm: int) -> str:
    return f"{times_ppm / WHOLE_PPM:g} times"


def _of_rules(campaign: Campaign) -> dict[int, list[str]]:
    """What the linter of split plans says of the same rules: one engine, one judgement."""
    rules = [_plain(reward) for reward in campaign.rewards]
    rest = Rule("rest of the order", OPERATOR, rest=True)
    plan = Plan(
        campaign.name,
        (*rules, rest),
        currency=campaign.currency,
        starts_at=campaign.starts_at,
        ends_at=campaign.ends_at,
    )
    found: dict[int, list[str]] = {}
    for problem in lint_plan(plan):
        if 0 < problem.number <= len(rules) and "are named" not in problem.text:
            found.setdefault(problem.number, []).append(problem.text)
    return found


def _plain(reward: Reward) -> Rule:
    """The reward's rule as a split plan would have it; a draw is as large as its largest outcome."""
    rule = replace(reward.rule, when_short=Short.LESS)
    if not reward.outcomes:
        return rule
    most = max(reward.outcomes, key=lambda each: (each.rate_ppm, each.fixed_minor))
    fixed_minor = max(each.fixed_minor for each in reward.outcomes)
    return replace(rule, rate_ppm=most.rate_ppm, fixed_minor=fixed_minor)


def _of_reward(campaign: Campaign, reward: Reward) -> Iterator[str]:
    rule = reward.rule
    if rule.party.kind not in _PARTIES:
        yield f"{rule.party} gets no rewards: write buyer, referrer-1 or referrer-2"
    if rule.base not in _BASES:
        yield f"an order has no {rule.base} when rewards are given: write base = gross, after_channel, margin"
    if rule.rest or rule.lapse is not None:
        yield "a reward neither takes the rest nor lapses: what is paid expires by expires_days"
    if rule.vest.at is Moment.REDEMPTION:
        yield "rewards wait for dates alone: let it vest at delivery or at hold"
    if rule.vest.at is Moment.HOLD and rule.vest.hold_days is None:
        yield "it waits for a hold: write hold_days, since a campaign may go over many channels"
    yield from _of_pay(reward.pays, reward)
    yield from _of_outcomes(reward)
    if _counts_for_ever(reward) and campaign.multipliers and rule.cap is None and rule.maximum_minor is None:
        yield "it has windows that multiply it and tiers over a period: give it a maximum"


def _counts_for_ever(reward: Reward) -> bool:
    return reward.rule.tiers is not None and reward.rule.counts


def _of_pay(pays: Pays, reward: Reward) -> Iterator[str]:
    referrer = reward.rule.party.kind is PartyKind.REFERRER
    if referrer and pays.kind is not PaysKind.PAYABLE:
        yield f"a referrer is paid by settlement, not in {pays}: write pays = payable"
    if not referrer and pays.kind is PaysKind.PAYABLE:
        yield "a buyer is not paid by settlement: write pays = wallet, points:PROGRAMME or coupon:SERIES"
    if pays.kind is PaysKind.COUPON and reward.rule.vest.parts > 1:
        yield "a coupon is not given in parts: remove parts, or pay to the wallet"
    if reward.expires_days is not None and (reward.expires_days < 1 or pays.kind is not PaysKind.WALLET):
        yield "expires_days is 1 or more and for wallets; programmes and series have terms of their own"


def _of_outcomes(reward: Reward) -> Iterator[str]:
    outcomes, rule = reward.outcomes, reward.rule
    if not outcomes:
        return
    if rule.rate_ppm or rule.fixed_minor or rule.tiers is not None:
        yield "it is drawn, and has a rate, an amount or tiers of its own: write them into the outcomes"
    if len(outcomes) > OUTCOMES_AT_MOST or sum(each.weight for each in outcomes) > _WEIGHTS_AT_MOST:
        yield f"write at most {OUTCOMES_AT_MOST} outcomes, whose weights sum to {_WEIGHTS_AT_MOST} at most"
    if any(each.weight < 1 for each in outcomes):
        yield "an outcome has no weight, so it never comes: write 1 or more, or remove it"
    if any(not 0 <= each.rate_ppm <= WHOLE_PPM or each.fixed_minor < 0 for each in outcomes):
        yield "an outcome is below nothing or above 100 %: mend it"


def _told(campaign: Campaign, over: Excess) -> str:
    price, most = (Money(minor, campaign.currency) for minor in (over.price_minor, over.most_minor))
    return (
        f"for an order of {price} {' and '.join(over.rewards)} can come to {most}, more than its price: write"
        " guards.minimum_order, lower them, or give each a maximum"
    )
