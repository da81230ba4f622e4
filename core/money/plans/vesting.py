"""Decides when a share may be paid, part by part, and when it lapses instead. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from core.money.money import share
from core.money.plans.facts import Milestones
from core.money.plans.rules import Moment, PartyKind, Rule, Vesting


class State(StrEnum):
    """Where a part of a share stands."""

    HELD = "held"
    VESTED = "vested"
    LAPSED = "lapsed"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a share stands at a moment: may be paid, waits, or has gone to somebody else."""

    vested_minor: int
    held_minor: int
    lapsed_minor: int


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a share: due then, if what it waits for has happened.

    Else, or if that is later, lapsing then.
    """

    amount_minor: int
    due_at: datetime | None
    lapses_at: datetime | None

    @property
    def lapses(self) -> bool:
        """Whether, as far as is known, it lapses before it is due."""
        return self.lapses_at is not None and (self.due_at is None or self.due_at > self.lapses_at)

    def state(self, now: datetime) -> State:
        """Where it stands at a moment."""
        if self.lapses:
            assert self.lapses_at is not None, "what lapses has a date"
            return State.LAPSED if self.lapses_at <= now else State.HELD
        return State.VESTED if self.due_at is not None and self.due_at <= now else State.HELD


def standing(rule: Rule, amount_minor: int, milestones: Milestones, now: datetime) -> Standing:
    """How much of a share stands where. The channel keeps its share when it pays, so that never waits."""
    sums = dict.fromkeys(State, 0)
    for part in parts(rule, amount_minor, milestones):
        sums[part.state(now)] += part.amount_minor
    return Standing(sums[State.VESTED], sums[State.HELD], sums[State.LAPSED])


def parts(rule: Rule, amount_minor: int, milestones: Milestones) -> list[Part]:
    """A share's parts, equal to the last minor unit, the earlier the larger."""
    if rule.party.kind is PartyKind.CHANNEL:
        return [Part(amount_minor, milestones.sold_at, None)]
    lapses_at = None if rule.lapse is None else milestones.sold_at + timedelta(days=rule.lapse.days)
    first = _first_due(rule.vest, milestones)
    return [
        Part(part_minor, None if first is None else first + timedelta(days=days), lapses_at)
        for part_minor, days in zip(share(amount_minor, [1] * rule.vest.parts), _days(rule.vest), strict=True)
    ]


def _days(vest: Vesting) -> Iterator[int]:
    return (number * vest.every_days for number in range(vest.parts))


def _first_due(vest: Vesting, milestones: Milestones) -> datetime | None:
    match vest.at:
        case Moment.SALE:
            return milestones.sold_at
        case Moment.DELIVERY:
            return milestones.delivered_at
        case Moment.REDEMPTION:
            return milestones.redeemed_at
        case Moment.HOLD:
            hold = milestones.hold if vest.hold_days is None else timedelta(days=vest.hold_days)
            return None if milestones.delivered_at is None else milestones.delivered_at + hold
