"""Decides how a price answers rivals, and when it stops: two programs must not race down. Pure.

A rival's program will follow ours as we follow its. Four things end such a race, and each alone would:

- **A reserve.** Competition moves a price at most so far under its target, whatever others do. Rivals that
  would need less are let go, and the cheapest one within reach is answered instead.
- **An interval.** Competition moves a price at most once in it; so changes stay bounded, and a faster rival
  gains nothing by being fast.
- **Giving in.** After some cuts in a row the race is lost: the price goes back to its target and rests there.
  A rival that follows upwards comes along, and both are better off; one that does not has gained no more
  than it had.
- **Slack.** A price that is cheaper than it needs to be by a little stays where it is.

All of it is told from past changes, so that it holds across restarts and many daemons.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core.money.money import Money, percent
from core.offers.price.facts import ChangeMade, PriceFacts, Sighting
from core.offers.price.plan import PriceStep
from core.offers.price.rule import WHOLE_PPM, Damping, Follow, PriceRule, RivalRule


@dataclass(frozen=True, slots=True)
class Answer:
    """The price after rivals. Above `limit_minor` the place among them is lost; None: no place is held.

    Below `reserve_minor` competition does not go.
    """

    step: PriceStep
    limit_minor: int | None = None
    reserve_minor: int = 0


@dataclass(frozen=True, slots=True)
class _Race:
    """Where the price stands in a race: cuts in a row, and when it gave in last."""

    cuts: int
    gave_in_at: datetime | None


def rival_step(facts: PriceFacts, rule: PriceRule, target_minor: int) -> Answer | None:
    """The price among rivals; `target_minor` is what it would be without any."""
    wish = rule.rival
    if wish is None or not wish.span.holds(facts.now):
        return None
    given = rule.given.get("rival", "")
    low, high = _reach(wish, target_minor)
    race = _race(facts, wish.damping, target_minor)
    amount_minor, holds_place, why = _answer(facts, wish, race, target_minor)
    wanted = (amount_minor, why)
    waiting = _waiting(facts, wish.damping, amount_minor, low, high)
    amount_minor, why = waiting or wanted
    limit = amount_minor if holds_place and waiting is None else None
    return Answer(PriceStep("rival", amount_minor, why, given), limit, low)


def _reach(wish: RivalRule, target_minor: int) -> tuple[int, int]:
    """The lowest and the highest price that competition may lead to."""
    # Parts of a minor unit are left to us: neither bound is passed by them.
    low = -(-target_minor * (WHOLE_PPM - wish.below_ppm) // WHOLE_PPM)
    return max(1, low), target_minor * (WHOLE_PPM + wish.above_ppm) // WHOLE_PPM


def _answer(facts: PriceFacts, wish: RivalRule, race: _Race, target_minor: int) -> tuple[int, bool, str]:
    """The price wanted now, whether it holds a place, and why."""
    damping = wish.damping
    if race.gave_in_at is not None and facts.now - race.gave_in_at < damping.rest:
        until = race.gave_in_at + damping.rest
        return target_minor, False, f"rests at its target until {until:%Y-%m-%d %H:%M}, after a lost race"
    if race.cuts >= damping.rounds:
        return target_minor, False, f"back to its target: {race.cuts} cuts in a row did not end the race"
    rivals = _rivals(facts, wish)
    if not rivals:
        return target_minor, False, "no fresh offer of another seller: the target stays"
    low, high = _reach(wish, target_minor)
    met = _met(rivals, wish, low)
    if met is None:
        cheapest = rivals[0]
        reserve = f"{Money(low, facts.currency)}, the target less {percent(wish.below_ppm)}"
        return (
            target_minor,
            False,
            f"{cheapest.seller} at {cheapest.price} is not followed below the reserve of {reserve}",
        )
    rival, place = met
    needed_minor = rival.price.amount_minor - _cut(wish)
    amount_minor = min(needed_minor, high)
    why = f"{_verb(wish, place)} {rival.seller} at {rival.price}"
    if needed_minor > high:
        why += f", at most {Money(high, facts.currency)}"
    return amount_minor, True, why


def _rivals(facts: PriceFacts, wish: RivalRule) -> list[Sighting]:
    """Fresh offers of others who have some to sell, the cheapest first; a seller's cheapest counts."""
    ignored = {name.casefold() for name in wish.ignore}
    cheapest: dict[str, Sighting] = {}
    for seen in facts.listing.sightings:
        seller = seen.seller.casefold()
        if (
            seen.own
            or seller in ignored
            or seen.stock == 0
            or seen.price.currency != facts.currency
            or seen.price.amount_minor <= 0
            or facts.now - seen.seen_at > wish.fresh
        ):
            continue
        known = cheapest.get(seller)
        if known is None or seen.price.amount_minor < known.price.amount_minor:
            cheapest[seller] = seen
    return sorted(cheapest.values(), key=lambda seen: (seen.price.amount_minor, seen.seller))


def _met(rivals: Sequence[Sighting], wish: RivalRule, low: int) -> tuple[Sighting, int] | None:
    """The rival to answer and our place then: the first from the wanted place on that is within reach."""
    first = wish.place if wish.follow is Follow.STAY else 1
    for place, rival in enumerate(rivals, 1):
        if place >= first and rival.price.amount_minor - _cut(wish) >= low:
            return rival, place
    return None


def _cut(wish: RivalRule) -> int:
    return 0 if wish.follow is Follow.MATCH else wish.step_minor


def _verb(wish: RivalRule, place: int) -> str:
    if wish.follow is Follow.MATCH:
        return "matches"
    return "undercuts" if wish.follow is Follow.UNDERCUT else f"takes place {place} before"


def _race(facts: PriceFacts, damping: Damping, target_minor: int) -> _Race:
    """Cuts since the price last stood at its target, and when it last went back there after a lost race."""
    cuts, gave_in_at, last = 0, None, None
    for change in facts.listing.changes:
        if change.lowered:
            cuts += 1
        elif cuts >= damping.rounds:
            cuts, gave_in_at = 0, change.at
        elif change.after_minor >= target_minor:
            cuts = 0
        last = change
    published = facts.published
    at_target = published is not None and published.gross.amount_minor >= target_minor
    if last is not None and cuts >= damping.rounds and at_target:
        # It cannot be raised to where it is: the race is over all the same.
        return _Race(0, last.at)
    return _Race(cuts, gave_in_at)


def _waiting(
    facts: PriceFacts, damping: Damping, wanted_minor: int, low: int, high: int
) -> tuple[int, str] | None:
    """The price that stays for now although another is wanted, and why; None: nothing has to wait."""
    if facts.published is None:
        return None
    shown = facts.published.gross.amount_minor
    if not low <= shown <= max(high, wanted_minor) or shown == wanted_minor:
        return None
    last = _last(facts.listing.changes)
    if last is not None and facts.now - last.at < damping.interval:
        until = last.at + damping.interval
        return shown, f"moved at {last.at:%H:%M}: competition moves it again from {until:%H:%M}"
    if 0 < wanted_minor - shown <= damping.slack_minor:
        return shown, f"cheaper than needed by {Money(wanted_minor - shown, facts.currency)}: that may stay"
    return None


def _last(changes: Sequence[ChangeMade]) -> ChangeMade | None:
    return changes[-1] if changes else None
