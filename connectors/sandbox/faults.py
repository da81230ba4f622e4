"""Decides when a sandbox marketplace misbehaves, from a seed, and counts how often it did."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Fault(StrEnum):
    """The ways a marketplace can go wrong."""

    LATENCY = "latency"
    TOO_MANY_REQUESTS = "too_many_requests"
    SERVER_ERROR = "server_error"  # nothing was done
    DROPPED_CONNECTION = "dropped_connection"  # nothing was done
    LOST_REPLY = "lost_reply"  # the work was done, the reply never comes
    CALLBACK_LOST = "callback_lost"
    CALLBACK_DOUBLED = "callback_doubled"
    CALLBACK_LATE = "callback_late"
    CALLBACK_REORDERED = "callback_reordered"
    EDITED_BY_HAND = "edited_by_hand"


NONE: Mapping[Fault, float] = MappingProxyType({})
SOME: Mapping[Fault, float] = MappingProxyType(
    {
        Fault.LATENCY: 0.05,
        Fault.TOO_MANY_REQUESTS: 0.01,
        Fault.SERVER_ERROR: 0.02,
        Fault.DROPPED_CONNECTION: 0.01,
        Fault.LOST_REPLY: 0.02,
        Fault.CALLBACK_LOST: 0.03,
        Fault.CALLBACK_DOUBLED: 0.05,
        Fault.CALLBACK_LATE: 0.05,
        Fault.CALLBACK_REORDERED: 0.05,
        Fault.EDITED_BY_HAND: 0.02,
    }
)
MANY: Mapping[Fault, float] = MappingProxyType({fault: min(rate * 4, 0.25) for fault, rate in SOME.items()})

PRESETS: Mapping[str, Mapping[Fault, float]] = MappingProxyType({"none": NONE, "some": SOME, "many": MANY})


class Faults:
    """The faults of one sandbox: a chance for each kind, a seed, and a count of those that happened."""

    def __init__(self, rates: Mapping[Fault, float] = NONE, seed: int = 0) -> None:
        self.rates = dict(rates)
        self.happened: Counter[Fault] = Counter()
        self._random = random.Random(seed)
        # How many opportunities each fault planned by `once` still lets pass.
        self._planned: dict[Fault, list[int]] = {}

    def off(self) -> None:
        """Behave from now on; the counts stay."""
        self.rates.clear()
        self._planned.clear()

    def once(self, fault: Fault, after: int = 0) -> None:
        """Make this fault happen when so many more opportunities have passed; for tests."""
        self._planned.setdefault(fault, []).append(after)

    def strikes(self, fault: Fault) -> bool:
        """Whether the fault happens now; counted when it does."""
        if not self._is_due(fault) and self._random.random() >= self.rates.get(fault, 0.0):
            return False
        self.happened[fault] += 1
        return True

    def _is_due(self, fault: Fault) -> bool:
        waiting = self._planned.pop(fault, [])
        due = 0 in waiting
        if due:
            waiting.remove(0)
        self._planned[fault] = [max(0, passes - 1) for passes in waiting]
        return due
