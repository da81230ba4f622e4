"""Decides when offers go off because a channel's own sum of our failures comes near its line. Pure.

The guard keeps the sum that the channel keeps. It closes before the failure that would reach the line, so the
channel sends no more orders that could fail, and it opens again when that many failures are past. What it
cannot do: a first failure is not foreseen, orders under way when it closes may still fail, and failures of
which we never heard (we were away, the answer was lost on the way) are missing from our sum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.errors import PlanRefused
from core.types import CountedOver, Formula, ListingId, PenaltyLine

_MARGIN = 0.1
_LEAST_CLOSED = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class GuardRule:
    """How a channel is guarded: its lines, and how far from them we stay.

    `margin` is the part of each line that is never used; `spare_failures` so many more must still be
    possible. A closed offer stays closed for `least_closed`, and until the sum is twice the margin below.
    """

    lines: tuple[PenaltyLine, ...] = ()
    margin: float = _MARGIN
    spare_failures: int = 0
    least_closed: timedelta = _LEAST_CLOSED

    def __post_init__(self) -> None:
        if not 0 <= self.margin < 0.5:
            raise PlanRefused(f"guard: margin is {self.margin}: write 0 or more, below 0.5")
        if self.spare_failures < 0 or self.least_closed < timedelta(0):
            raise PlanRefused("guard: spare failures and the least time closed are not below zero")


@dataclass(frozen=True, slots=True)
class Tally:
    """What a channel counts now: failures and completions in a line's window, and failures since the last."""

    failed: int = 0
    completed: int = 0
    streak: int = 0

    def after(self, failures: int) -> Tally:
        """The same after so many more failures."""
        return Tally(self.failed + failures, self.completed, self.streak + failures)


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose failures are added up: a line of a channel, over all of it (no listing) or one listing."""

    line: PenaltyLine
    listing_id: ListingId | None

    @property
    def over(self) -> CountedOver:
        """What the sum is over."""
        return CountedOver.CHANNEL if self.listing_id is None else CountedOver.LISTING


@dataclass(frozen=True, slots=True)
class Ruling:
    """Whether the offers are to be closed, and why."""

    closed: bool
    why: str


def channel_sum(formula: Formula, tally: Tally) -> float:
    """The channel's own sum, in the unit of its line."""
    match formula:
        case Formula.LOG_RATIO:
            if tally.failed <= 1:
                return 0.0
            return math.log(tally.failed) / math.log(tally.completed) if tally.completed > 1 else math.inf
        case Formula.SHARE:
            outcomes = tally.failed + tally.completed
            return tally.failed / outcomes if outcomes else 0.0
        case Formula.STREAK:
            return float(tally.streak)


def rule(
    guard: GuardRule, line: PenaltyLine, tally: Tally, closed_at: datetime | None, now: datetime
) -> Ruling:
    """Whether offers under a line are closed from now on; `closed_at`: since when they are."""
    if closed_at is None:
        near = _comes_near(guard, line, tally, guard.margin)
        return Ruling(near, explain(line, tally))
    early = now - closed_at < guard.least_closed
    return Ruling(early or _comes_near(guard, line, tally, 2 * guard.margin), explain(line, tally))


def part_of_line(line: PenaltyLine, tally: Tally) -> float:
    """How much of a line is used up: 1.0 is the line itself."""
    return channel_sum(line.formula, tally) / line.at


def explain(line: PenaltyLine, tally: Tally) -> str:
    """What is counted and how near the line it is, for people."""
    span = f"in the last {line.window_seconds // 60} minutes" if line.window_seconds else "so far"
    counted = f"{tally.failed} of {tally.failed + tally.completed} {line.asked} failed {span}"
    if line.formula is Formula.STREAK:
        return f"{tally.streak} {line.asked} failed in a row; the channel acts at {line.at:g}"
    after = channel_sum(line.formula, tally.after(1))
    return f"{counted}; one more makes {after:.2f}, the channel acts at {line.at:g} ({line.formula})"


def _comes_near(guard: GuardRule, line: PenaltyLine, tally: Tally, margin: float) -> bool:
    """Whether one more failure, and the spare ones, would reach what of the line may be used.

    While nothing has failed nothing is closed: otherwise a channel on which little was sold yet could never
    begin.
    """
    counted = tally.streak if line.formula is Formula.STREAK else tally.failed
    if counted == 0:
        return False
    # A count of failures has no part that could be kept free: there the spare failures are the margin.
    usable = line.at if line.formula is Formula.STREAK else line.at * (1 - margin)
    return channel_sum(line.formula, tally.after(1 + guard.spare_failures)) >= usable
