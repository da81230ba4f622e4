"""Turns a campaign as it was written into the campaign that core decides by. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from config import campaigns as written
from config.campaigns import CampaignFile, parse_campaign
from config.problems import SettingsRefused
from config.settings import Settings
from core.campaigns.campaign import (
    Budget,
    Campaign,
    Guards,
    Limits,
    Multiplier,
    Outcome,
    Pays,
    PaysKind,
    Reward,
)
from core.campaigns.draft import CampaignDraft
from core.campaigns.lint import lint
from core.errors import ConsigndError, InvalidInput
from core.money.money import Money, exponent
from core.money.plans.rules import Rule
from scheduler.points_terms import programmes
from scheduler.split_plans import rule_of

_PPM_OF_PERCENT = 10_000
_WHOLE_PPM = 1_000_000


def campaign_of(file: CampaignFile) -> Campaign:
    """The campaign of a file, not yet looked at by the linter; SettingsRefused names reward and line."""
    told, rewards, problems = file.campaign, [], []
    for number, reward in enumerate(told.rewards, 1):
        try:
            rewards.append(_reward(reward, told.currency))
        except ConsigndError as error:
            problems.append(file.problem(number, "", str(error)))
    try:
        budget, limits, guards = _budget(told), _limits(told), _guards(told)
    except ConsigndError as error:
        problems.append(file.problem(0, "", str(error)))
    if problems:
        raise SettingsRefused(problems)
    assert told.ends_at is not None, "a file without an end is refused"
    return Campaign(
        name=told.name,
        currency=told.currency,
        starts_at=told.starts_at,
        ends_at=told.ends_at,
        budget=budget,
        rewards=tuple(rewards),
        multipliers=tuple(_multiplier(window) for window in told.multipliers),
        multiplier_cap_ppm=int(told.multiplier_cap * _WHOLE_PPM),
        limits=limits,
        guards=guards,
        earlier_orders=told.earlier_orders,
    )


@dataclass(frozen=True, slots=True)
class PaidIn:
    """What the settings let rewards be paid in: programmes of points with their currencies, and series."""

    programmes: Mapping[str, str]
    series: frozenset[str]

    @classmethod
    def of(cls, settings: Settings) -> PaidIn:
        """As the settings have it."""
        currencies = {name: each.currency for name, each in programmes(settings).items()}
        return cls(currencies, frozenset(settings.coupons))

    def problem(self, pays: Pays, currency: str) -> str | None:
        """Why nothing could be paid in it, and what to write; None: it can be."""
        if pays.kind is PaysKind.COUPON and pays.name not in self.series:
            return _unknown("series of coupons", f"coupons.{pays.name}", pays.name, self.series)
        if pays.kind is not PaysKind.POINTS:
            return None
        theirs = self.programmes.get(pays.name)
        if theirs is None:
            return _unknown("programme of points", f"points.{pays.name}", pays.name, self.programmes)
        if theirs != currency:
            return f"points of {pays.name} are in {theirs}, the campaign in {currency}: name another"
        return None


def _unknown(what: str, table: str, name: str, known: Iterable[str]) -> str:
    others = ", ".join(sorted(known))
    instead = f", or name one of {others}" if others else ""
    return f"no {what} is named {name}: write [{table}] in the settings{instead}"


def sound_campaign(file: CampaignFile, paid_in: PaidIn | None = None) -> Campaign:
    """The campaign of a file; SettingsRefused tells all that is wrong with it, by line.

    Without `paid_in` the file is looked at by itself: what the settings name is not asked.
    """
    campaign = campaign_of(file)
    problems = [file.problem(each.number, each.key, each.text) for each in lint(campaign)]
    for number, reward in enumerate(campaign.rewards, 1):
        told = None if paid_in is None else paid_in.problem(reward.pays, campaign.currency)
        if told is not None:
            problems.append(file.problem(number, "pays", told))
    if problems:
        raise SettingsRefused(problems)
    return campaign


def draft_campaign(text: str, paid_in: PaidIn | None = None) -> CampaignDraft:
    """A campaign that came as text, and all that is wrong with it."""
    try:
        return CampaignDraft(sound_campaign(parse_campaign(text, "campaign"), paid_in), ())
    except SettingsRefused as refused:
        return CampaignDraft(None, tuple(str(problem) for problem in refused.problems))


def _reward(reward: written.Reward, currency: str) -> Reward:
    pays, rule = Pays.parse(reward.pays), rule_of(reward, currency)
    outcomes = tuple(
        Outcome(each.weight, _ppm(each.rate_percent), _minor(each.fixed, currency)) for each in reward.draw
    )
    if reward.points_per_unit is not None:
        if pays.kind is not PaysKind.POINTS or reward.rate_percent is not None:
            raise InvalidInput("points_per_unit stands in place of rate_percent, where points are paid")
        # A rate of so many points for each major unit, reckoned of minor units.
        per_minor = reward.points_per_unit * _WHOLE_PPM / 10 ** exponent(currency)
        rule = replace(rule, rate_ppm=int(per_minor))
    if pays.kind is PaysKind.POINTS:
        rule = _in_points(rule, currency)
        outcomes = tuple(replace(each, fixed_minor=_points(each.fixed_minor, currency)) for each in outcomes)
    return Reward(rule, pays, outcomes, reward.expires_days)


def _in_points(rule: Rule, currency: str) -> Rule:
    """What the rule gives is points: 5 is five of them, whatever the currency's decimals are."""
    tiers, cap = rule.tiers, rule.cap
    if tiers is not None:
        steps = (replace(step, fixed_minor=_points(step.fixed_minor, currency)) for step in tiers.steps)
        tiers = replace(tiers, steps=tuple(steps))
    if cap is not None:
        cap = replace(cap, amount_minor=_points(cap.amount_minor, currency))
    return replace(
        rule,
        fixed_minor=_points(rule.fixed_minor, currency),
        tiers=tiers,
        cap=cap,
        minimum_minor=None if rule.minimum_minor is None else _points(rule.minimum_minor, currency),
        maximum_minor=None if rule.maximum_minor is None else _points(rule.maximum_minor, currency),
    )


def _points(minor: int, currency: str) -> int:
    scale: int = 10 ** exponent(currency)
    points, rest = divmod(minor, scale)
    if rest:
        raise InvalidInput("points are whole numbers: write such as 5")
    return points


def _multiplier(window: written.Multiplier) -> Multiplier:
    times_ppm = int(window.times * _WHOLE_PPM)
    return Multiplier(window.name, times_ppm, window.starts_at, window.ends_at, window.rewards)


def _budget(told: written.Campaign) -> Budget:
    assert told.budget is not None, "a file without a budget is refused"
    per_day = told.budget.per_day
    return Budget(
        _minor(told.budget.total, told.currency),
        None if per_day is None else _minor(per_day, told.currency),
    )


def _limits(told: written.Campaign) -> Limits:
    limits = told.limits
    amount = limits.amount_per_account
    return Limits(
        limits.grants_per_account,
        None if amount is None else _minor(amount, told.currency),
        limits.grants_per_address,
        limits.grants_per_device,
    )


def _guards(told: written.Campaign) -> Guards:
    guards = told.guards
    return Guards(
        margin_warn_ppm=_ppm(guards.margin_warn_percent),
        margin_stop_ppm=_ppm(guards.margin_stop_percent),
        lifetime_ppm=_ppm(guards.lifetime_percent),
        minimum_order_minor=_minor(guards.minimum_order, told.currency),
        own_rings=guards.allow_own_rings,
    )


def _ppm(percent: Decimal | None) -> int:
    return int((percent or Decimal(0)) * _PPM_OF_PERCENT)


def _minor(amount: Decimal | None, currency: str) -> int:
    return 0 if amount is None else Money.parse(f"{amount:f}", currency).amount_minor
