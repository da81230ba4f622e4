"""Decides when people are left alone: hours of a day by the clock on their wall. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)
# Two people's quiet hours may meet and together last longer than a day; nobody is left alone for ever.
_MOST_TURNS = 8


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From one time of day to another, over midnight if the first is the later; in a time zone."""

    begin: time
    end: time
    zone: ZoneInfo

    def covers(self, at: datetime) -> bool:
        """Whether the clock on the wall shows a quiet hour."""
        shown = at.astimezone(self.zone).time()
        if self.begin <= self.end:
            return self.begin <= shown < self.end
        return shown >= self.begin or shown < self.end

    def release(self, at: datetime) -> datetime:
        """The moment itself, or the first end of the quiet hours after it.

        Where the clock is put back, an end comes twice; where it is put forward, it may not come at all and
        is taken an hour later at most.
        """
        while self.covers(at):
            at = min(end for end in self._ends(at) if end > at)
        return at

    def _ends(self, at: datetime) -> list[datetime]:
        today = at.astimezone(self.zone).date()
        return [
            datetime.combine(today + days * _DAY, self.end, self.zone).replace(fold=fold).astimezone(UTC)
            for days in range(3)
            for fold in (0, 1)
        ]


def release_of(at: datetime, *quiet: QuietHours | None) -> datetime:
    """The first moment from `at` on at which none of these is quiet."""
    for _ in range(_MOST_TURNS):
        until = at
        for hours in quiet:
            until = hours.release(until) if hours else until
        if until == at:
            break
        at = until
    return at
