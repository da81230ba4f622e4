"""Plays other sellers' price programs: one undercuts until it cannot, one matches and gives up sooner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from core.offers.replay.scene import Asked
from core.offers.replay.world import World
from core.types import ListingId
from tests.simulation.contest import Contest


@dataclass(slots=True)
class Bot:
    """Asks a step less than the cheapest other, every so often, and goes no lower than a share of its start.

    One that cannot go lower begins anew at its start, as such programs do.
    """

    name: str
    contest: Contest
    every_seconds: float
    step_minor: int
    least_share: float
    begins: dict[ListingId, int] = field(default_factory=dict)
    lowest_share: float = 1.0
    changes: int = 0

    def enter(self, around: Mapping[ListingId, int]) -> None:
        """Come to the market."""
        self.contest.begin(self.name, around)
        self.begins = {listing_id: self.contest.prices[listing_id][self.name] for listing_id in around}

    def act(self, world: World, at: float) -> float | None:
        """Look at every listing, and move where another price is wanted."""
        for listing_id, begin in self.begins.items():
            wanted = self._wanted(begin, self.contest.others(self.name, listing_id))
            if wanted != self.contest.prices[listing_id][self.name]:
                self.changes += 1
                self.lowest_share = min(self.lowest_share, wanted / begin)
                self.contest.enter(self.name, listing_id, wanted)
        return at + self.every_seconds

    def takes(self, world: World, asked: Asked) -> bool:
        """Buyers decide by prices."""
        return True

    def counts(self) -> Mapping[str, int]:
        """What it did."""
        return {"rivals' price changes": self.changes}

    def _wanted(self, begin: int, others: Mapping[str, int]) -> int:
        if not others:
            return begin
        wanted = min(min(others.values()) - self.step_minor, begin)
        return wanted if wanted >= begin * self.least_share else begin


def two_bots(contest: Contest) -> Sequence[Bot]:
    """The undercutter acts every five minutes, the one that matches every seven."""
    return (
        Bot("undercutter", contest, every_seconds=300.0, step_minor=5, least_share=0.7),
        Bot("matcher", contest, every_seconds=420.0, step_minor=0, least_share=0.8),
    )
