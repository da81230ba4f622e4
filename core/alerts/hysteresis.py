"""Decides when an alert begins and when it ends: readings in, transitions out. Pure; `now` is handed in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core.alerts.rules import Reading, Rule, Subject


class Change(StrEnum):
    """What a look at a subject comes to, where it comes to anything."""

    WAITING = "waiting"  # crossed, but not for long enough
    CALMED = "calmed"  # crossed for less than it has to: nobody heard of it
    RAISED = "raised"
    STANDING = "standing"  # raised before and not cleared
    RECOVERED = "recovered"
    GONE = "gone"  # raised before, and nothing is measured any more


@dataclass(frozen=True, slots=True)
class Standing:
    """How a subject stands with a rule: since when it is crossed without being raised, or raised."""

    since: datetime
    raised: bool


@dataclass(frozen=True, slots=True)
class Transition:
    """What changes for one subject of one rule. The reading is None only where there is none."""

    change: Change
    rule: Rule
    subject: Subject
    since: datetime
    reading: Reading | None


def judge(
    rule: Rule, standings: Mapping[Subject, Standing], readings: Sequence[Reading], now: datetime
) -> list[Transition]:
    """Everything that a complete measurement changes for a rule, in the order of the readings.

    The readings must be all there are: a subject that stands and is not among them is gone.
    """
    found: list[Transition] = []
    seen: set[Subject] = set()
    for reading in readings:
        if not rule.scope.covers(reading):
            continue
        assert reading.subject not in seen, f"{reading.subject} was measured twice for {rule.name}"
        seen.add(reading.subject)
        transition = _look(rule, standings.get(reading.subject), reading, now)
        if transition is not None:
            found.append(transition)
    for subject, standing in standings.items():
        if subject not in seen:
            change = Change.GONE if standing.raised else Change.CALMED
            found.append(Transition(change, rule, subject, standing.since, None))
    return found


def _look(rule: Rule, standing: Standing | None, reading: Reading, now: datetime) -> Transition | None:
    if standing is not None and standing.raised:
        change = Change.RECOVERED if rule.cleared(reading.value) else Change.STANDING
        return Transition(change, rule, reading.subject, standing.since, reading)
    if not rule.crossed(reading.value):
        if standing is None:
            return None
        return Transition(Change.CALMED, rule, reading.subject, standing.since, reading)
    since = now if standing is None else standing.since
    change = Change.RAISED if now - since >= rule.hold else Change.WAITING
    return Transition(change, rule, reading.subject, since, reading)
