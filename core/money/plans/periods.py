"""Decides over which periods the rules of a plan count, and when a period began. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from core.money.plans.rules import Per, Plan

_EVER = datetime(1970, 1, 1, tzinfo=UTC)
_MONTHS_PER_QUARTER = 3


def counted_rules(plan: Plan) -> dict[str, Per]:
    """The rules that must be told what they have seen and taken before, and in what period."""
    periods: dict[str, Per] = {}
    for rule in plan.rules:
        if rule.counts:
            by_tiers = rule.tiers.per if rule.tiers is not None else Per.EVER
            periods[rule.name] = rule.cap.per if rule.cap is not None else by_tiers
    return periods


def period_start(per: Per, at: datetime) -> datetime:
    """The first moment of the calendar period, in UTC, that a moment lies in; weeks begin on Monday."""
    day = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    match per:
        case Per.DAY:
            return day
        case Per.WEEK:
            return day - timedelta(days=day.weekday())
        case Per.MONTH:
            return day.replace(day=1)
        case Per.QUARTER:
            first = (day.month - 1) // _MONTHS_PER_QUARTER * _MONTHS_PER_QUARTER + 1
            return day.replace(month=first, day=1)
        case Per.YEAR:
            return day.replace(month=1, day=1)
        case Per.EVER:
            return _EVER
