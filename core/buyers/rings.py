"""Decides whether a referrer would be paid for himself, and says what shows it. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ties:
    """What ties a buyer to a referrer.

    `same`: they are one person. `steps`: so many times "was brought by" lead from the referrer to the buyer;
    None where they do not. `shared`: kinds of marks that both left.
    """

    same: bool = False
    steps: int | None = None
    shared: Collection[str] = ()


def ring_reason(buyer: str, referrer: str, ties: Ties) -> str | None:
    """Why this referrer gets nothing of what this buyer buys; None where nothing is wrong."""
    if ties.same:
        return f"{referrer} and {buyer} are the same person: nobody refers himself"
    if ties.steps is not None:
        times = "directly" if ties.steps == 1 else f"over {ties.steps} steps"
        return f"{referrer} was himself brought by {buyer}, {times}: they refer each other in a ring"
    if ties.shared:
        kinds = " and ".join(f"the same {kind}" for kind in sorted(ties.shared))
        return f"{referrer} and {buyer} have left {kinds}: it is likely one person"
    return None
