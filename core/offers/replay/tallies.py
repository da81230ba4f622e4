"""Counts what became of the buyers and of the codes, by channel and in total, and how sure a share is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from math import exp, lgamma, log

from core.types import ChannelId

_DAY_SECONDS = 86_400.0


@dataclass(slots=True)
class Tally:
    """Units, and code-days. `lost` were asked for and not shown; `lost_in_stock` of those we had.

    `refused` were promised, and taken back when the channel asked us. Idle on a channel is what we had and it
    did not show.
    """

    asked: int = 0
    sold: int = 0
    oversold: int = 0
    refused: int = 0
    lost: int = 0
    lost_in_stock: int = 0
    idle_code_days: float = 0.0
    pushes: int = 0

    def add(self, other: Tally) -> None:
        """Take another's counts in."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of everything under one policy. `unshown_code_days`: what no channel showed."""

    policy: str
    channels: Mapping[ChannelId, Tally]
    unshown_code_days: float
    stock_code_days: float
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def total(self) -> Tally:
        """All channels together."""
        total = Tally()
        for tally in self.channels.values():
            total.add(tally)
        return total


def code_days(codes: int, seconds: float) -> float:
    """So many codes for so long."""
    return codes * seconds / _DAY_SECONDS


def highest_share(happened: int, tried: int, confidence: float = 0.95) -> float:
    """The largest share that is still compatible with what happened, one-sided (Clopper and Pearson).

    Found by halving: the chance to see so few or fewer falls as the share grows.
    """
    if tried == 0 or happened >= tried:
        return 1.0
    low, high = happened / tried, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(happened, tried, middle) > 1 - confidence else (low, middle)
    return high


def merged(outcomes: Iterable[Outcome]) -> Outcome:
    """Several times under the same policy as one."""
    every = list(outcomes)
    assert len({outcome.policy for outcome in every}) == 1, "outcomes of one policy"
    channels: dict[ChannelId, Tally] = {}
    counts: dict[str, int] = {}
    for outcome in every:
        for channel_id, tally in outcome.channels.items():
            channels.setdefault(channel_id, Tally()).add(tally)
        for name, count in outcome.counts.items():
            counts[name] = counts.get(name, 0) + count
    return Outcome(
        every[0].policy,
        channels,
        sum(outcome.unshown_code_days for outcome in every),
        sum(outcome.stock_code_days for outcome in every),
        counts,
    )


def _at_most(happened: int, tried: int, share: float) -> float:
    """P(at most so many of so many) at a share between 0 and 1."""
    if share >= 1:
        return 0.0
    terms = (
        exp(
            lgamma(tried + 1)
            - lgamma(count + 1)
            - lgamma(tried - count + 1)
            + count * log(share)
            + (tried - count) * log(1 - share)
        )
        for count in range(happened + 1)
        if share > 0
    )
    return min(sum(terms), 1.0) if share > 0 else 1.0
