"""Says what a group offer is: how many buyers, for how long, and what becomes of groups that stay short."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from core.errors import PlanRefused

LEAST_BUYERS, MOST_BUYERS = 2, 5
SHORTEST, LONGEST = timedelta(hours=24), timedelta(hours=72)


@dataclass(frozen=True, slots=True)
class GroupOffer:
    """What an operator offers to groups.

    `at_least`: with so many buyers a group is completed at the end of its time all the same; None: it fails
    unless it is full. `limit_per_buyer` counts the pieces of one buyer over all groups of the offer.
    `groups_at_once`: so many may be open together; None: as many as buyers open.
    """

    name: str
    size: int
    lasts: timedelta
    at_least: int | None = None
    limit_per_buyer: int = 1
    groups_at_once: int | None = None

    def __post_init__(self) -> None:
        if not LEAST_BUYERS <= self.size <= MOST_BUYERS:
            raise PlanRefused(
                f"group offer {self.name}: {self.size} buyers; write {LEAST_BUYERS} to {MOST_BUYERS}"
            )
        if not SHORTEST <= self.lasts <= LONGEST:
            raise PlanRefused(f"group offer {self.name}: it lasts {self.lasts}; write 24 to 72 hours")
        if self.at_least is not None and not 1 <= self.at_least <= self.size:
            raise PlanRefused(f"group offer {self.name}: at_least is {self.at_least}; write 1 to {self.size}")
        if self.limit_per_buyer < 1 or (self.groups_at_once is not None and self.groups_at_once < 1):
            raise PlanRefused(f"group offer {self.name}: limits are 1 or more")
