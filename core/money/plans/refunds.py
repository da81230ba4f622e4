"""Decides what each rule gives back when money goes back to the buyer: by units, or by any amount. Pure.

What was refunded so far is a state, and what was given back follows from the state alone; one refund is the
difference of two states. So the sum of any number of partial refunds is the full refund, to the last minor
unit, in whatever order they came.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import InvalidInput
from core.money.money import Money, share
from core.money.plans.rules import OnRefund
from core.money.plans.waterfall import Run, Split


@dataclass(frozen=True, slots=True)
class Refunded:
    """What has gone back to the buyer so far: an amount for each run, and units for what was free."""

    amounts_minor: tuple[int, ...]
    free_units: tuple[int, ...]

    @classmethod
    def nothing(cls, split: Split) -> Refunded:
        """Before the first refund."""
        return cls((0,) * len(split.runs), (0,) * len(split.runs))

    @classmethod
    def everything(cls, split: Split) -> Refunded:
        """After the last one."""
        return cls(
            tuple(run.price_minor * run.count for run in split.runs),
            tuple(0 if run.price_minor else run.count for run in split.runs),
        )


@dataclass(frozen=True, slots=True)
class Returned:
    """What came back of one run: from each rule, from the loss, and from who bears what others kept."""

    amounts_minor: tuple[int, ...]
    loss_minor: int
    borne_minor: int


def refund_units(split: Split, before: Refunded, consignor: str, units: int) -> Refunded:
    """The state after so many whole units of a consignor's codes, the last sold first."""
    amounts, free, wanted = list(before.amounts_minor), list(before.free_units), units
    for index in range(len(split.runs) - 1, -1, -1):
        run = split.runs[index]
        if run.consignor != consignor:
            continue
        done = min(wanted, run.count - touched(run, amounts[index], free[index]))
        wanted -= done
        amounts[index] += done * run.price_minor
        free[index] += 0 if run.price_minor else done
    if wanted or units < 1:
        raise InvalidInput(
            f"{units} units of {consignor}'s codes cannot be refunded: {units - wanted} are left in this line"
        )
    return Refunded(tuple(amounts), tuple(free))


def refund_amount(split: Split, before: Refunded, amount_minor: int) -> Refunded:
    """The state after an amount more, shared out over what has not been refunded; its sign is the price's."""
    left = [
        run.price_minor * run.count - done for run, done in zip(split.runs, before.amounts_minor, strict=True)
    ]
    sign = -1 if sum(left) < 0 else 1
    if not 0 < sign * amount_minor <= sign * sum(left):
        raise InvalidInput(
            f"{Money(amount_minor, split.currency)} cannot be refunded:"
            f" {Money(sum(left), split.currency)} of the line have not been"
        )
    parts = share(amount_minor, [abs(part) for part in left])
    amounts = (done + part for done, part in zip(before.amounts_minor, parts, strict=True))
    return Refunded(tuple(amounts), before.free_units)


def returned(split: Split, refunded: Refunded) -> list[Returned]:
    """What has come back of each run in this state; each sums to what went back to the buyer."""
    return [
        _returned_of(split, run, amount_minor, free_units)
        for run, amount_minor, free_units in zip(
            split.runs, refunded.amounts_minor, refunded.free_units, strict=True
        )
    ]


def touched(run: Run, amount_minor: int, free_units: int) -> int:
    """How many units have been refunded, wholly or in part."""
    return -(-abs(amount_minor) // abs(run.price_minor)) if run.price_minor else free_units


def _returned_of(split: Split, run: Run, amount_minor: int, free_units: int) -> Returned:
    units = touched(run, amount_minor, free_units)
    *parts, loss_minor = _proportional(run, amount_minor, units)
    given = []
    for rule, whole_minor, part_minor in zip(split.plan.rules, run.amounts_minor, parts, strict=True):
        match rule.on_refund:
            case OnRefund.PROPORTIONAL:
                given.append(part_minor)
            case OnRefund.FULL:
                given.append(whole_minor * units)
            case OnRefund.KEPT:
                given.append(0)
    return Returned(tuple(given), loss_minor, amount_minor - sum(given) - loss_minor)


def _proportional(run: Run, amount_minor: int, units: int) -> list[int]:
    """Each rule's part of a refund, the loss's last; exact, by largest remainder."""
    each = (*run.amounts_minor, run.loss_minor)
    if not run.price_minor:
        return [units * part for part in each]
    sign = -1 if run.price_minor < 0 else 1
    whole = [sign * run.count * part for part in each]
    size_minor, total_minor = sign * amount_minor, sum(whole)
    # Where a loss was borne, what the others took is more than the price; both are given back in proportion.
    negative_minor = sum(-part for part in whole if part < 0) * size_minor // total_minor
    gains = _shared(size_minor + negative_minor, [max(0, part) for part in whole])
    losses = _shared(negative_minor, [max(0, -part) for part in whole])
    return [sign * (gain - loss) for gain, loss in zip(gains, losses, strict=True)]


def _shared(amount_minor: int, weights: Sequence[int]) -> list[int]:
    return share(amount_minor, weights) if any(weights) else [0] * len(weights)
