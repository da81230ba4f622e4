"""Decides when Eneba hides an auction: the gate on failed reservations and provisions of the last hour."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

# An auction is hidden when log(failed) / log(completed) of a kind reaches its line.
RESERVATION = "reservation"
PROVISION = "provision"
_LINES: Mapping[str, float] = MappingProxyType({RESERVATION: 0.4, PROVISION: 0.2})
_FAILURES_IN_A_ROW = 3


@dataclass(frozen=True, slots=True)
class HealthRules:
    """How strict the gate is; the defaults are Eneba's. A kind without a line hides nothing."""

    lines: Mapping[str, float] = field(default_factory=lambda: _LINES)
    window_seconds: float = 3600.0
    hidden_seconds: float = 7200.0
    failures_in_a_row: int = _FAILURES_IN_A_ROW


def ratio(failed: int, completed: int) -> float:
    """log(failed) / log(completed); one failure weighs nothing, and none completed makes more weigh all."""
    if failed <= 1:
        return 0.0
    return math.log(failed) / math.log(completed) if completed > 1 else math.inf


@dataclass(slots=True)
class AuctionHealth:
    """One auction's record: what failed and completed when, until when it is hidden, failures in a row."""

    rules: HealthRules
    now: Callable[[], float]
    hidden_until: float = 0.0
    failed_provisions_in_a_row: int = 0
    _log: list[tuple[float, str, bool]] = field(default_factory=list)

    def note(self, kind: str, *, completed: bool) -> None:
        """Write down how one request ended, and hide the auction when the line is reached."""
        now = self.now()
        self._log = [entry for entry in self._log if entry[0] > now - self.rules.window_seconds]
        self._log.append((now, kind, completed))
        if kind == PROVISION:
            self.failed_provisions_in_a_row = 0 if completed else self.failed_provisions_in_a_row + 1
        line = self.rules.lines.get(kind)
        if not completed and line is not None and self._ratio(kind) >= line:
            # On repeats the time runs anew from the latest failure.
            self.hidden_until = now + self.rules.hidden_seconds

    @property
    def hidden(self) -> bool:
        """Whether buyers cannot see the auction now."""
        return self.now() < self.hidden_until

    @property
    def to_be_disabled(self) -> bool:
        """Whether so many provisions failed in a row that the marketplace switches the auction off."""
        return self.failed_provisions_in_a_row >= self.rules.failures_in_a_row

    def _ratio(self, kind: str) -> float:
        outcomes = [completed for _, noted, completed in self._log if noted == kind]
        return ratio(outcomes.count(False), outcomes.count(True))
