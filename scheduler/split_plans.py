"""Turns a split plan as it was written into the plan that core decides by. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from config import plans as written
from config.plans import PlanFile, parse_plan
from config.problems import KeyPath, Problem, SettingsRefused, dotted
from config.settings import Settings
from config.splits import SplitPlan, SplitRule
from core.errors import ConsigndError, InvalidInput, PlanRefused
from core.money.money import Money, percent
from core.money.plans.choice import PlanChoice
from core.money.plans.lint import DraftPlan, lint
from core.money.plans.rules import (
    LARGEST_MINOR,
    Base,
    Cap,
    Condition,
    Lapse,
    Moment,
    OnRefund,
    Party,
    PartyKind,
    Per,
    Plan,
    Rule,
    Scope,
    Short,
    Tier,
    TierBy,
    TierMode,
    Tiers,
    Vesting,
)
from core.money.plans.stored import EarlyRule, early_plan
from core.money.published import Publishable

_PPM_OF_PERCENT = 10_000
_WHOLE_PPM = 1_000_000


def split_plan(name: str, table: SplitPlan) -> Plan:
    """The plan of a table of the settings, by its rules; PlanRefused names the rule that makes no sense."""
    plan = early_plan(name, 1, tuple(_early(rule) for rule in table.rules))
    for number, rule in enumerate(plan.rules, 1):
        if wrong := _wrong_with(plan, number):
            raise PlanRefused(f"split plan {name}, rule {number} ({rule.party}): {wrong}")
    return plan


def _wrong_with(plan: Plan, number: int) -> str | None:
    """What the settings' own model cannot see; such rules take what is left, so no sale is ever refused."""
    rule, before = plan.rules[number - 1], plan.rules[: number - 1]
    if rule.currency not in (None, plan.currency):
        return "it is of another currency than a rule before it: write one plan per currency"
    if rule.party.kind is PartyKind.CHANNEL and rule.base is not Base.GROSS:
        return "the channel's commission is reckoned of the gross price: write base = gross"
    if rule.party.kind is PartyKind.CHANNEL and any(each.base is Base.AFTER_CHANNEL for each in before):
        return "a rule before it reckons after_channel: move the channel's rules to the front"
    if rule.rest and rule.party.kind is not PartyKind.CONSIGNOR:
        return "the rest belongs to the consignor: let this rule be the consignor's"
    total_ppm = sum(each.rate_ppm for each in (*before, rule) if each.base is rule.base)
    if total_ppm > _WHOLE_PPM:
        return f"with it the rates of {rule.base} come to {percent(total_ppm)}: keep them within 100 %"
    return None


def written_plan(settings: Settings, name: str, published: Mapping[str, Plan]) -> Plan:
    """A split plan of the settings, from table, file or `published`; SettingsRefused places what is wrong."""
    if settings.splits[name].published:
        if name in published:
            return published[name]
        how = f"nothing was published as {name} yet: write `consignd splits publish {name} FILE`"
        raise SettingsRefused([_placed(settings, ("splits", name, "published"), how)])
    file = settings.plan_file(name)
    if file is None:
        try:
            return split_plan(name, settings.splits[name])
        except ConsigndError as error:
            raise SettingsRefused([_placed(settings, ("splits", name), str(error))]) from None
    plan = replace(plan_of(file), name=name)
    if problems := [file.problem(problem.number, problem.text) for problem in lint(plan)]:
        raise SettingsRefused(problems)
    return plan


def draft_plan(text: str) -> DraftPlan:
    """A plan that was sent to us, with everything that is wrong with it."""
    try:
        file = parse_plan(text, "plan")
        plan = plan_of(file)
    except SettingsRefused as refused:
        return DraftPlan(None, tuple(map(str, refused.problems)))
    return DraftPlan(plan, tuple(str(file.problem(each.number, each.text)) for each in lint(plan)))


def published_names(settings: Settings) -> dict[str, frozenset[str]]:
    """The plans that are published by hand, and the currencies of the channels that name each."""
    return {
        name: frozenset(
            channel.currency
            for channel_name, channel in settings.channels.items()
            if name == channel.split or _chosen(settings, name, channel_name)
        )
        for name, plan in settings.splits.items()
        if plan.published
    }


def publishable(settings: Settings) -> Publishable:
    """What may be published by hand."""
    return Publishable(published_names(settings), frozenset(settings.segments))


def _chosen(settings: Settings, name: str, channel: str) -> bool:
    return any(choice.split == name and channel in choice.channels for choice in settings.split_choices)


def plan_choices(settings: Settings, channel: str, published: Mapping[str, Plan]) -> list[PlanChoice]:
    """What is chosen for some sales of a channel, in order; the plans are not published yet.

    A plan in another currency is for a channel only where it names it.
    """
    found = []
    for number, choice in enumerate(settings.split_choices):
        plan = written_plan(settings, choice.split, published)
        fits = plan.currency in (None, settings.channels[channel].currency)
        if channel in choice.channels or (not choice.channels and fits):
            origin = settings.origin(("split_choices", number, "split"))
            found.append(PlanChoice(0, plan, origin, choice.tags, choice.consignors))
    return found


def _placed(settings: Settings, path: KeyPath, text: str) -> Problem:
    source, _, line = settings.origin(path).rpartition(":")
    placed = bool(source) and line.isdigit()
    where = source if placed else settings.origin(path)
    return Problem(where, int(line) if placed else None, dotted(path), text)


def _early(rule: SplitRule) -> EarlyRule:
    return EarlyRule(
        party=rule.party,
        base=Base(rule.base),
        rate_ppm=_ppm(rule.rate_percent),
        fixed_minor=_minor(rule.fixed, rule.currency) or 0,
        minimum_minor=_minor(rule.minimum, rule.currency),
        maximum_minor=_minor(rule.maximum, rule.currency),
        rest=rule.rest,
        currency=rule.currency,
    )


def plan_of(file: PlanFile) -> Plan:
    """The plan of a file, not yet looked at by the linter; SettingsRefused names rule and line."""
    plan, rules, problems = file.plan, [], []
    for number, rule in enumerate(plan.rules, 1):
        try:
            rules.append(rule_of(rule, plan.currency))
        except ConsigndError as error:
            problems.append(file.problem(number, str(error)))
    try:
        smallest_minor = _minor(plan.smallest, plan.currency) or 0
        largest_minor = _minor(plan.largest, plan.currency)
    except ConsigndError as error:
        problems.append(file.problem(0, str(error)))
    if problems:
        raise SettingsRefused(problems)
    return Plan(
        name=plan.name,
        rules=tuple(rules),
        currency=plan.currency,
        smallest_minor=smallest_minor,
        largest_minor=LARGEST_MINOR if largest_minor is None else largest_minor,
        starts_at=plan.starts_at,
        ends_at=plan.ends_at,
        kept_borne_by=Party.parse(plan.kept_borne_by),
    )


def rule_of(rule: written.Rule, currency: str | None) -> Rule:
    """A rule as it was written, with amounts of this currency; InvalidInput where it has none."""
    party = Party.parse(rule.party)
    return Rule(
        name=rule.name,
        party=party,
        base=Base(rule.base),
        rate_ppm=_ppm(rule.rate_percent),
        fixed_minor=_minor(rule.fixed, currency) or 0,
        tiers=None if rule.tiers is None else _tiers(rule.tiers, currency),
        minimum_minor=_minor(rule.minimum, currency),
        maximum_minor=_minor(rule.maximum, currency),
        cap=None if rule.cap is None else _cap(rule.cap, currency),
        rest=rule.rest,
        scope=Scope(rule.scope),
        when=_condition(rule.when),
        vest=Vesting(Moment(rule.vest.at), rule.vest.hold_days, rule.vest.parts, rule.vest.every_days),
        lapse=None if rule.lapse is None else Lapse(rule.lapse.days, Party.parse(rule.lapse.to)),
        on_refund=OnRefund(rule.on_refund),
        when_short=_short(rule, party),
        currency=currency,
    )


def _short(rule: written.Rule, party: Party) -> Short:
    if rule.when_short is not None:
        return Short(rule.when_short)
    return Short.LOSS if party.kind is PartyKind.CHANNEL else Short.REFUSE


def _tiers(tiers: written.Tiers, currency: str | None) -> Tiers:
    by = TierBy(tiers.by)
    steps = (
        Tier(_measure(step.start, by, currency), _ppm(step.rate_percent), _minor(step.fixed, currency) or 0)
        for step in tiers.steps
    )
    return Tiers(by, TierMode(tiers.mode), tuple(steps), Per(tiers.per))


def _measure(start: Decimal, by: TierBy, currency: str | None) -> int:
    if by in (TierBy.AMOUNT, TierBy.TURNOVER):
        return _minor(start, currency) or 0
    if start != start.to_integral_value():
        raise InvalidInput(f"a tier of {by} begins at {start}: write a whole number")
    return int(start)


def _cap(cap: written.Cap, currency: str | None) -> Cap:
    return Cap(_minor(cap.amount, currency) or 0, Per(cap.per))


def _condition(when: written.When) -> Condition:
    return Condition(
        channels=when.channels,
        skus=when.skus,
        tags=when.tags,
        unless_tags=when.unless_tags,
        segments=when.segments,
        starts_at=when.starts_at,
        ends_at=when.ends_at,
        orders_from=when.orders_from,
        orders_to=when.orders_to,
        referrer=when.referrer,
    )


def _ppm(percent: Decimal | None) -> int:
    return int((percent or Decimal(0)) * _PPM_OF_PERCENT)


def _minor(amount: Decimal | None, currency: str | None) -> int | None:
    if amount is None or (not amount and currency is None):
        return None
    if currency is None:
        raise InvalidInput('it has amounts, but the plan has no currency: write currency = "EUR"')
    return Money.parse(f"{amount:f}", currency).amount_minor
