"""Turns what the operator wrote of points into the programmes that core reckons by. Pure."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction

from config.points import PointsLevel, PointsProgramme
from config.settings import Settings
from connectors.kit.errors import OptionsRefused
from core.errors import InvalidInput
from core.money.money import Money
from core.wallets.programmes import BASE_LEVEL, Level, Measure, Programme, Task


def programmes(settings: Settings) -> dict[str, Programme]:
    """Every programme by its name; OptionsRefused where a level is finer than its currency."""
    return {name: _programme(name, written) for name, written in settings.points.items()}


def _programme(name: str, written: PointsProgramme) -> Programme:
    return Programme(
        name=name,
        currency=written.currency,
        per_unit=Fraction(written.per_unit),
        value=Fraction(written.value),
        expires_after=None if written.expires_days is None else timedelta(days=written.expires_days),
        levels=tuple(_level(name, written, level) for level in written.levels) or (BASE_LEVEL,),
        measure=Measure(written.levels_by),
        tasks={task: Task(task, said.points, said.per_day) for task, said in written.tasks.items()},
        smallest_redemption=written.smallest_redemption,
    )


def _level(name: str, written: PointsProgramme, level: PointsLevel) -> Level:
    if Measure(written.levels_by) is Measure.POINTS:
        return Level(level.name, int(level.start), Fraction(level.percent))
    try:
        start = Money.parse(str(level.start), written.currency)
    except InvalidInput as error:
        raise OptionsRefused(f"points.{name}.levels: {level.name}: {error}") from None
    return Level(level.name, start.amount_minor, Fraction(level.percent))
