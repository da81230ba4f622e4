"""Decides what may be written of points: what purchases earn, levels, tasks, what a point is worth."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from config.fields import Amount, Currency, Name, Table, Whole, not_boolean

_MOST_DIGITS = 9


def _as_text(value: object) -> object:
    # The file's decimals are read exactly, so they need no quotes; fractions do.
    return str(value) if isinstance(value, int | Decimal) and not isinstance(value, bool) else value


def _exact(text: str) -> str:
    try:
        read = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise ValueError('not a number: write "2", "0.5" or "1/3"') from None
    if read <= 0 or max(len(str(read.numerator)), len(str(read.denominator))) > _MOST_DIGITS:
        raise ValueError(f"zero, or longer than {_MOST_DIGITS} digits: write such as 1, 0.5 or 1/3")
    return text


# A number above zero without rounding, kept as it was written.
Exact = Annotated[str, BeforeValidator(_as_text), AfterValidator(_exact)]
Count = Annotated[Whole, Field(ge=1, le=1_000_000_000)]
Multiplier = Annotated[Decimal, BeforeValidator(not_boolean), Field(ge=0, le=10_000, decimal_places=4)]
Days = Annotated[int, BeforeValidator(not_boolean), Field(ge=1, le=36_500)]


class PointsLevel(Table):
    """A member's level: from so many points of the last twelve months, or major units of turnover, on."""

    name: Name
    start: Amount = Decimal(0)
    percent: Multiplier


class PointsTask(Table):
    """What earns points beside buying, and how often a day it counts for a buyer."""

    points: Count
    per_day: Count = 1


class PointsProgramme(Table):
    """A programme of points; purchases in its currency earn them."""

    currency: Currency
    # Points for each major unit spent; what one point pays, in minor units.
    per_unit: Exact = "1"
    value: Exact
    # None: points never expire.
    expires_days: Days | None = None
    smallest_redemption: Count = 1
    levels_by: Literal["points", "turnover"] = "points"
    levels: Annotated[tuple[PointsLevel, ...], Field(max_length=32)] = ()
    tasks: dict[Name, PointsTask] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _levels_rise(self) -> Self:
        starts = [level.start for level in self.levels]
        if starts and (starts[0] != 0 or starts != sorted(set(starts))):
            raise ValueError("the first level starts at 0, and each of the others above the one before it")
        if self.levels_by == "points" and any(start != int(start) for start in starts):
            raise ValueError("points are whole: start each level at a whole number of them")
        if len({level.name for level in self.levels}) != len(self.levels):
            raise ValueError("two levels have the same name: rename one of them")
        return self
