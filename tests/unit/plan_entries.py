"""The entries that lead a split from one state or moment to the next, as an order's money is moved."""

from __future__ import annotations

from datetime import datetime

from core.money.plans.facts import Milestones
from core.money.plans.journal import moves, position
from core.money.plans.refunds import Refunded
from core.money.plans.waterfall import Split
from core.money.posting import Posting


def refund_postings(
    split: Split, before: Refunded, after: Refunded, milestones: Milestones, now: datetime
) -> list[Posting]:
    """The entries of a refund that leads from one state to the next."""
    return moves(
        position(split, before, milestones, now), position(split, after, milestones, now), split.currency
    )


def release_postings(
    split: Split, refunded: Refunded, milestones: Milestones, since: datetime, now: datetime
) -> list[Posting]:
    """The entries of what vested or lapsed between two moments; none where nothing did."""
    return moves(
        position(split, refunded, milestones, since),
        position(split, refunded, milestones, now),
        split.currency,
    )
