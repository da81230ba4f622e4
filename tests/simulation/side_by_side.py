"""Runs the same days under naive mirroring, fixed buffers and the one sized by risk, side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from core.offers.replay.scene import Policy
from core.offers.replay.tallies import Outcome, highest_share, merged
from core.offers.replay.world import Actor, World
from tests.simulation.day import CHANCE, DayShape, by_risk, fixed, make_day, naive

CONFIDENCE = 0.95
_LARGEST_FIXED = 40


@dataclass(frozen=True, slots=True)
class Compared:
    """One policy over some days. `at_most` is the largest share of bad sales that the days still allow for.

    Bad are sales without a code, and reservations refused though the codes were shown.
    """

    policy: str
    asked: int
    sold: int
    oversold: int
    refused: int
    share: float
    at_most: float
    lost_in_stock: int
    idle_code_days: float
    unshown_code_days: float
    stock_code_days: float
    pushes: int
    counts: dict[str, int]

    @property
    def holds(self) -> bool:
        """Whether it holds the wanted chance, at the confidence stated."""
        return self.at_most <= CHANCE


Cast = Callable[[], Sequence[Actor]]


def nobody() -> Sequence[Actor]:
    """A day without price bots or anybody else."""
    return ()


def live(policy: Policy, seeds: Sequence[int], shape: DayShape, cast: Cast = nobody) -> Compared:
    """The days of these seeds under a policy; each day has actors of its own."""
    return compared(merged(World(make_day(seed, shape), policy, seed, cast()).run() for seed in seeds))


def side_by_side(seeds: Sequence[int], shape: DayShape, cast: Cast = nobody) -> Iterator[Compared]:
    """Naive; fixed buffers, each larger than the last, up to one that holds the chance; then by risk."""
    yield live(naive(), seeds, shape, cast)
    for codes in range(1, _LARGEST_FIXED + 1):
        done = live(fixed(codes), seeds, shape, cast)
        yield done
        if done.holds:
            break
    yield live(by_risk(), seeds, shape, cast)


def compared(outcome: Outcome) -> Compared:
    """An outcome as a row of the comparison."""
    total = outcome.total
    bad, tried = total.oversold + total.refused, total.sold + total.refused
    return Compared(
        policy=outcome.policy,
        asked=total.asked,
        sold=total.sold,
        oversold=total.oversold,
        refused=total.refused,
        share=bad / tried if tried else 0.0,
        at_most=highest_share(bad, tried, CONFIDENCE),
        lost_in_stock=total.lost_in_stock,
        idle_code_days=round(total.idle_code_days, 1),
        unshown_code_days=round(outcome.unshown_code_days, 1),
        stock_code_days=round(outcome.stock_code_days, 1),
        pushes=total.pushes,
        counts=dict(outcome.counts),
    )
