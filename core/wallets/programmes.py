"""Decides what a programme of points is: what is earned, at which level, and what points are worth. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from fractions import Fraction

from core.errors import InvalidInput
from core.money.money import Money, exponent

_PERCENT = 100


class Measure(StrEnum):
    """What a member's level is told by, over the last twelve months."""

    POINTS = "points"  # points earned, less what was taken back
    TURNOVER = "turnover"  # what was bought and delivered, less what was refunded whole


@dataclass(frozen=True, slots=True)
class Level:
    """A member's level: from so many points, or minor units of turnover, purchases earn so many percent."""

    name: str
    starts_at: int
    percent: Fraction


@dataclass(frozen=True, slots=True)
class Task:
    """Something that earns points beside buying; so often a day (UTC) for each buyer."""

    name: str
    points: int
    per_day: int


BASE_LEVEL = Level("member", 0, Fraction(_PERCENT))


@dataclass(frozen=True, slots=True)
class Programme:
    """A programme of points. `value` is of one point, in minor units of the currency."""

    name: str
    currency: str
    per_unit: Fraction
    value: Fraction
    expires_after: timedelta | None = None
    levels: tuple[Level, ...] = (BASE_LEVEL,)
    measure: Measure = Measure.POINTS
    tasks: Mapping[str, Task] = field(default_factory=dict)
    smallest_redemption: int = 1

    def __post_init__(self) -> None:
        starts = [level.starts_at for level in self.levels]
        assert starts[:1] == [0], "a programme has a level for everybody"
        assert starts == sorted(set(starts)), "levels rise"

    def worth(self, points: int) -> Money:
        """What so many points of one lot stand for; half a minor unit counts as one."""
        scaled = points * self.value
        return Money((2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator), self.currency)

    def task(self, name: str) -> Task:
        """A task by its name. InvalidInput: there is none."""
        if name not in self.tasks:
            known = f"those are {', '.join(self.tasks)}" if self.tasks else "it has none"
            raise InvalidInput(f"programme {self.name} has no task {name!r}: {known}")
        return self.tasks[name]

    def expires_at(self, usable_at: datetime) -> datetime | None:
        """When points expire that can be used from a moment on."""
        return None if self.expires_after is None else usable_at + self.expires_after


def earned_for(programme: Programme, amount: Money, level: Level) -> int:
    """The points that a purchase earns, whole ones only. InvalidInput: it is in another currency."""
    if amount.currency != programme.currency:
        raise InvalidInput(
            f"programme {programme.name} counts {programme.currency}: {amount} earns nothing there"
        )
    if amount.amount_minor <= 0:
        return 0
    units = Fraction(amount.amount_minor, 10 ** exponent(amount.currency))
    return int(units * programme.per_unit * level.percent / _PERCENT)


def level_of(programme: Programme, measured: int) -> Level:
    """The highest level that so many points, or minor units of turnover, reach."""
    return [level for level in programme.levels if level.starts_at <= max(measured, 0)][-1]


def year_before(now: datetime) -> datetime:
    """Twelve months ago; of the 29th of February the 28th."""
    if (now.month, now.day) == (2, 29):
        now = now.replace(day=28)
    return now.replace(year=now.year - 1)
