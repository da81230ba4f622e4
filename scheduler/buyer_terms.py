"""Turns what the operator wrote of buyers and tax into the terms core decides by. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from config.problems import KeyPath, Problem, SettingsRefused, dotted
from config.settings import Settings
from core.buyers.fact_terms import FactTerms, TaxRule
from core.buyers.referrals import ReferralTerms
from core.buyers.segments import Segment
from core.errors import InvalidInput
from core.money.money import Money
from core.money.plans.memory import Questions
from core.money.plans.rules import Plan

_PPM_OF_PERCENT = 10_000


def fact_terms(settings: Settings, channel: str, plans: Sequence[Plan]) -> FactTerms:
    """How the facts of a channel's sales are told; its plans say which are asked for."""
    return FactTerms(
        tax=tax_rules(settings, channel),
        hears_tax=any(Questions.of(plan).tax for plan in plans),
        rate_max_age=timedelta(hours=settings.rates.max_age_hours),
        pivot=settings.rates.pivot,
        referrals=referral_terms(settings),
        keeps_marks=settings.buyers.marks_days > 0,
    )


def referral_terms(settings: Settings) -> ReferralTerms:
    """For how long the first who is told holds."""
    days = settings.buyers.attribution_days
    return ReferralTerms(timedelta(days=days) if days else None)


def tax_rules(settings: Settings, channel: str) -> tuple[TaxRule, ...]:
    """The tax in a channel's prices, in the order of the file."""
    return tuple(
        TaxRule(
            int(rate.rate_percent * _PPM_OF_PERCENT),
            rate.included,
            rate.tags,
            settings.origin(("tax", number, "rate_percent")),
        )
        for number, rate in enumerate(settings.tax)
        if not rate.channels or channel in rate.channels
    )


def segments_written(settings: Settings) -> tuple[Segment, ...]:
    """The segments of the settings; SettingsRefused places an amount that is finer than its currency."""
    return tuple(_segment(settings, name) for name in settings.segments)


def _segment(settings: Settings, name: str) -> Segment:
    written = settings.segments[name]
    turnover_minor = None
    if written.turnover is not None and written.currency is not None:
        try:
            turnover_minor = Money.parse(str(written.turnover), written.currency).amount_minor
        except InvalidInput as error:
            raise SettingsRefused([_placed(settings, ("segments", name, "turnover"), str(error))]) from None
    return Segment(name=name, turnover_minor=turnover_minor, **written.model_dump(exclude={"turnover"}))


def _placed(settings: Settings, path: KeyPath, text: str) -> Problem:
    source, _, line = settings.origin(path).rpartition(":")
    placed = bool(source) and line.isdigit()
    return Problem(
        source if placed else settings.origin(path), int(line) if placed else None, dotted(path), text
    )
