"""Decides whether a change is too large to be made without a person: at once, or within a day. Pure."""

from __future__ import annotations

from datetime import timedelta

from core.money.money import Money, percent
from core.offers.price.facts import PriceFacts
from core.offers.price.rule import WHOLE_PPM, Brake, PriceRule

_DAY = timedelta(days=1)


def stopped(facts: PriceFacts, rule: PriceRule, gross_minor: int) -> str | None:
    """Why a price must wait for a person; None: it may be shown."""
    brake = rule.brake
    if brake is None or facts.published is None or not brake.span.holds(facts.now):
        return None
    why = _beyond(facts, brake, facts.published.gross.amount_minor, gross_minor)
    return None if why is None or _approved(facts, gross_minor) else why


def refused(facts: PriceFacts, gross_minor: int) -> bool:
    """Whether a person has said no to this price within a day, so that nobody needs to ask again."""
    verdict = facts.listing.verdict
    return (
        verdict is not None
        and not verdict.approved
        and verdict.price.amount_minor == gross_minor
        and facts.now - verdict.at < _DAY
    )


def _beyond(facts: PriceFacts, brake: Brake, shown_minor: int, gross_minor: int) -> str | None:
    if brake.step_ppm is not None and _farther(shown_minor, gross_minor, brake.step_ppm):
        return (
            f"{Money(gross_minor, facts.currency)} is more than {percent(brake.step_ppm)} from"
            f" {Money(shown_minor, facts.currency)}, which is shown"
        )
    day_ago = _day_ago(facts, shown_minor)
    # Coming back towards where the day began is never braked by the day's measure.
    nearer = abs(gross_minor - day_ago) < abs(shown_minor - day_ago)
    if brake.day_ppm is not None and not nearer and _farther(day_ago, gross_minor, brake.day_ppm):
        return (
            f"{Money(gross_minor, facts.currency)} is more than {percent(brake.day_ppm)} from"
            f" {Money(day_ago, facts.currency)}, which was shown a day ago"
        )
    return None


def _farther(from_minor: int, to_minor: int, bound_ppm: int) -> bool:
    return abs(to_minor - from_minor) * WHOLE_PPM > from_minor * bound_ppm


def _day_ago(facts: PriceFacts, shown_minor: int) -> int:
    """What was shown a day ago: the price before the first change since."""
    since = facts.now - _DAY
    return next((change.before_minor for change in facts.listing.changes if change.at > since), shown_minor)


def _approved(facts: PriceFacts, gross_minor: int) -> bool:
    """Whether a person has allowed going as far as this, within a day and for one change only."""
    verdict = facts.listing.verdict
    if verdict is None or not verdict.approved or facts.published is None:
        return False
    if facts.now - verdict.at >= _DAY or any(change.at >= verdict.at for change in facts.listing.changes):
        return False
    low, high = sorted((facts.published.gross.amount_minor, verdict.price.amount_minor))
    return low <= gross_minor <= high
