"""Decides by which plan a line is split: the first choice that fits, else the channel's own. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.errors import SaleUnsplit
from core.money.plans.rules import Plan


@dataclass(frozen=True, slots=True)
class PlanChoice:
    """A published plan for lines of some SKUs and consignors; what is not written fits everything.

    `origin` says who chose so, such as "channels.shop.split" or "split_choices[0]".
    """

    plan_id: int
    plan: Plan
    origin: str
    tags: tuple[str, ...] = ()
    consignors: tuple[str, ...] = ()

    def fits(self, tags: Collection[str], consignors: Collection[str], at: datetime) -> bool:
        """Whether the plan is in force, the SKU has one of the tags, and all codes are such consignors'.

        Whose the codes will be is not known before a sale: then a choice by consignor fits nothing.
        """
        if self.tags and not set(self.tags).intersection(tags):
            return False
        if self.consignors and not (consignors and set(consignors).issubset(self.consignors)):
            return False
        return in_force(self.plan, at)


def in_force(plan: Plan, at: datetime) -> bool:
    """Whether the plan's dates allow a sale at this moment."""
    started = plan.starts_at is None or plan.starts_at <= at
    return started and (plan.ends_at is None or at < plan.ends_at)


def choose(
    choices: Sequence[PlanChoice],
    otherwise: PlanChoice,
    tags: Collection[str],
    consignors: Collection[str],
    at: datetime,
) -> PlanChoice:
    """The first choice that fits; SaleUnsplit where none does and the channel's own plan is not in force."""
    for choice in choices:
        if choice.fits(tags, consignors, at):
            return choice
    if not in_force(otherwise.plan, at):
        plan = otherwise.plan
        raise SaleUnsplit(
            f"split plan {plan.name} is not in force at {at:%Y-%m-%d %H:%M}: mend its starts_at and ends_at,"
            " or choose another plan for that time in [[split_choices]]"
        )
    return otherwise
