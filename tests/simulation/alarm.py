"""Judges a simulated day by the alert rules that everybody has, and counts what was raised and cleared."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from config.settings import Settings
from core.alerts.hysteresis import Change, Standing, Transition, judge
from core.alerts.rules import Metric, Reading, Rule, Subject
from core.offers.replay.scene import Asked, Scene
from core.offers.replay.tallies import Tally
from core.offers.replay.world import World
from scheduler.alert_terms import watch
from tests.simulation.repricer import BEGINNING

_EVERY_SECONDS = 120.0
_DAY_SECONDS = 86_400.0


@dataclass(slots=True)
class Alarm:
    """Looks every two minutes. `repeated` counts what was raised while it stood, or ended without that."""

    scene: Scene
    rules: Sequence[Rule]
    standings: dict[str, dict[Subject, Standing]] = field(default_factory=dict)
    told: set[tuple[str, Subject]] = field(default_factory=set)
    raised: int = 0
    cleared: int = 0
    repeated: int = 0
    # Units oversold and refused by channel, as they were at past looks.
    seen: dict[tuple[Metric, str], deque[tuple[datetime, int]]] = field(default_factory=dict)

    @classmethod
    def of(cls, scene: Scene) -> Alarm:
        """An alarm with our own rules, those of them that a simulated day has readings for."""
        rules = watch(Settings()).rules
        return cls(scene, [rule for rule in rules if rule.measure.metric in _TAKERS])

    def act(self, world: World, at: float) -> float | None:
        """Measure, judge, count."""
        now = BEGINNING + timedelta(seconds=at)
        taken: dict[Metric, list[Reading]] = {}
        for rule in self.rules:
            metric = rule.measure.metric
            if metric not in taken:
                taken[metric] = _TAKERS[metric](self, world, rule, now)
            standings = self.standings.setdefault(rule.name, {})
            for transition in judge(rule, standings, taken[metric], now):
                self._note(standings, transition)
        return at + _EVERY_SECONDS

    def takes(self, world: World, asked: Asked) -> bool:
        """An alarm sells nothing."""
        return True

    def counts(self) -> Mapping[str, int]:
        """What people would have heard of."""
        return {
            "alerts raised": self.raised,
            "alerts cleared": self.cleared,
            "alerts repeated": self.repeated,
        }

    def since(self, metric: Metric, name: str, count: int, window: timedelta, now: datetime) -> int:
        """How much a count grew within the window."""
        seen = self.seen.setdefault((metric, name), deque([(now, 0)]))
        seen.append((now, count))
        while seen[0][0] < now - window:
            seen.popleft()
        return count - seen[0][1]

    def _note(self, standings: dict[Subject, Standing], transition: Transition) -> None:
        subject, key = transition.subject, (transition.rule.name, transition.subject)
        match transition.change:
            case Change.RAISED:
                self.raised += 1
                self.repeated += key in self.told
                self.told.add(key)
                standings[subject] = Standing(transition.since, raised=True)
            case Change.WAITING:
                standings[subject] = Standing(transition.since, raised=False)
            case Change.RECOVERED | Change.GONE:
                self.cleared += 1
                self.repeated += key not in self.told
                self.told.discard(key)
                del standings[subject]
            case Change.CALMED:
                del standings[subject]
            case Change.STANDING:
                pass


_Taker = Callable[[Alarm, World, Rule, datetime], list[Reading]]


def _stock(alarm: Alarm, world: World, rule: Rule, now: datetime) -> list[Reading]:
    return [_of_sku(sku.sku_id, world.available(sku.sku_id)) for sku in alarm.scene.skus]


def _stock_percent(alarm: Alarm, world: World, rule: Rule, now: datetime) -> list[Reading]:
    """What stood at the beginning is taken for usual."""
    return [
        _of_sku(sku.sku_id, 100.0 * world.available(sku.sku_id) / sku.available)
        for sku in alarm.scene.skus
        if sku.available
    ]


def _cover_days(alarm: Alarm, world: World, rule: Rule, now: datetime) -> list[Reading]:
    found = []
    for sku in alarm.scene.skus:
        per_day = sum(sku.per_second.values()) * _DAY_SECONDS
        if per_day > 0:
            found.append(_of_sku(sku.sku_id, world.available(sku.sku_id) / per_day))
    return found


def _oversold(alarm: Alarm, world: World, rule: Rule, now: datetime) -> list[Reading]:
    return _grown(alarm, world, rule, now, lambda tally: tally.oversold)


def _refused(alarm: Alarm, world: World, rule: Rule, now: datetime) -> list[Reading]:
    return _grown(alarm, world, rule, now, lambda tally: tally.refused)


def _grown(
    alarm: Alarm, world: World, rule: Rule, now: datetime, part: Callable[[Tally], int]
) -> list[Reading]:
    found, measure = [], rule.measure
    for channel in alarm.scene.channels:
        count = part(world.tally(channel.channel_id))
        grown = alarm.since(measure.metric, channel.name, count, measure.window, now)
        found.append(Reading(Subject("channel", channel.name), float(grown), {}))
    return found


def _publish_lag(alarm: Alarm, world: World, rule: Rule, now: datetime) -> list[Reading]:
    found = []
    for channel in alarm.scene.channels:
        seconds = world.lag(channel.channel_id).quantile(rule.measure.quantile)
        if seconds is not None:
            found.append(Reading(Subject("channel", channel.name), seconds, {}))
    return found


_TAKERS: Mapping[Metric, _Taker] = {
    Metric.STOCK: _stock,
    Metric.STOCK_PERCENT: _stock_percent,
    Metric.COVER_DAYS: _cover_days,
    Metric.OVERSELL: _oversold,
    Metric.RESERVATIONS_REFUSED: _refused,
    Metric.PUBLISH_LAG_SECONDS: _publish_lag,
}


def _of_sku(sku_id: int, value: float) -> Reading:
    return Reading(Subject("sku", str(sku_id)), float(value), {})
