"""Decides how a bound is shared out among listings that want more than it, exactly to the last code. Pure.

Three rounds, each for what the one before left: the last codes to those whose they are, in their order; what
a listing is sure of (allotment, floor); then the rest. Nobody gets more than it wants, and the parts sum to
the bound or to all wants.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from core.money.money import share
from core.offers.stock.rules import SharedBy

# Units per second become whole weights: a unit in 30,000 years still counts.
_WEIGHT = 10**12


@dataclass(frozen=True, slots=True)
class Claim:
    """What one listing asks of the bound. `first` and `sure` are parts of what it wants, or more."""

    wants: int
    first: int = 0
    sure: int = 0
    priority: int = 0
    sold_per_second: float = 0.0


def share_out(bound: int, claims: Sequence[Claim], by: SharedBy) -> list[int]:
    """The part of each; among equals the earlier one gets the odd code."""
    given = [0] * len(claims)
    for level in (
        [claim.first for claim in claims],
        [max(claim.first, claim.sure) for claim in claims],
        [claim.wants for claim in claims],
    ):
        aims = [min(aim, claim.wants) for aim, claim in zip(level, claims, strict=True)]
        needs = [max(0, aim - got) for aim, got in zip(aims, given, strict=True)]
        left = bound - sum(given)
        parts = needs if sum(needs) <= left else _divided(left, needs, claims, by)
        given = [got + part for got, part in zip(given, parts, strict=True)]
    return given


def _divided(amount: int, needs: Sequence[int], claims: Sequence[Claim], by: SharedBy) -> list[int]:
    """An amount below the sum of the needs, given away whole."""
    match by:
        case SharedBy.PROPORTION:
            return share(amount, needs)
        case SharedBy.PRIORITY:
            return _by_priority(amount, needs, [claim.priority for claim in claims])
        case SharedBy.SALES:
            return _by_weight(amount, needs, [round(claim.sold_per_second * _WEIGHT) for claim in claims])
    assert_never(by)


def _by_priority(amount: int, needs: Sequence[int], priorities: Sequence[int]) -> list[int]:
    """Lower numbers are served first; equal ones share in proportion to their needs."""
    given = [0] * len(needs)
    for priority in sorted(set(priorities)):
        own = [need if each == priority else 0 for need, each in zip(needs, priorities, strict=True)]
        left = amount - sum(given)
        parts = own if sum(own) <= left else share(left, own)
        given = [got + part for got, part in zip(given, parts, strict=True)]
    return given


def _by_weight(amount: int, needs: Sequence[int], weights: Sequence[int]) -> list[int]:
    """By weight, but never above a need; what is left of the satisfied goes to the others.

    Listings of no weight come last, in proportion to their needs. Each round satisfies one listing at least.
    """
    given = [0] * len(needs)
    for _ in needs:
        lacking = [need - got for need, got in zip(needs, given, strict=True)]
        heavy = [weight if lack else 0 for weight, lack in zip(weights, lacking, strict=True)]
        left = amount - sum(given)
        if not any(heavy):
            rest = share(left, lacking) if any(lacking) else lacking
            return [got + part for got, part in zip(given, rest, strict=True)]
        parts = share(left, heavy)
        full = [part >= lack and weight > 0 for part, lack, weight in zip(parts, lacking, heavy, strict=True)]
        if not any(full):
            return [got + part for got, part in zip(given, parts, strict=True)]
        given = [got + lack * done for got, lack, done in zip(given, lacking, full, strict=True)]
    return given
