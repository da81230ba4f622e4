"""Decides what of a grant comes back when money of its order goes back to the buyer. Pure.

What should have come back is a function of what was refunded in all, never of how often: so partial refunds
in any order end where one full refund does, and an event that comes twice takes nothing twice.
"""

from __future__ import annotations

from collections.abc import Sequence

from core.money.money import share
from core.money.plans.rules import OnRefund


def owed_back(amount: int, on_refund: OnRefund, eligible_minor: int, refunded_minor: int) -> int:
    """What of an amount (money or points) should have come back in all.

    `eligible_minor` is the price of the lines it was given for, `refunded_minor` what of it was refunded.
    """
    assert 0 <= refunded_minor <= eligible_minor, "more went back than was paid"
    if not refunded_minor or on_refund is OnRefund.KEPT:
        return 0
    if on_refund is OnRefund.FULL:
        return amount
    return share(amount, [refunded_minor, eligible_minor - refunded_minor])[0]


def back_of_parts(parts: Sequence[int], back: int) -> list[int]:
    """From which parts so much comes back: the last ones first, which the beneficiary does not have yet."""
    assert 0 <= back <= sum(parts), "more comes back than was given"
    left, taken = back, []
    for part in reversed(parts):
        taken.append(min(part, left))
        left -= taken[-1]
    return taken[::-1]
