"""Decides on what counted changes of a price are spent: where they earn most, never for money unless told.

A budget of a listing's own is spent when the difference is worth it. A pool that many listings share goes to
those whose change is expected to earn most: velocity times the difference in price. What would leave a
listing under its floor comes before everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.money.money import Money, percent
from core.offers.price.facts import Budget, PriceFacts
from core.offers.price.plan import PriceStep
from core.offers.price.rule import WHOLE_PPM, PriceRule
from core.types import ListingId


@dataclass(frozen=True, slots=True)
class Wish:
    """A listing that wants to change its price, counted against a pool."""

    listing_id: ListingId
    pool: str
    from_minor: int
    to_minor: int
    sold_per_day: float
    urgent: bool = False

    @property
    def gain(self) -> float:
        """What the change is expected to move in a day: an estimate to compare by, not money."""
        return self.sold_per_day * abs(self.to_minor - self.from_minor)


def spend(wishes: Sequence[Wish], free_left: dict[str, int]) -> set[ListingId]:
    """Those of the wishes that get a free change of their pool: what is urgent, then what earns most."""
    left = dict(free_left)
    granted: set[ListingId] = set()
    for wish in sorted(wishes, key=lambda each: (not each.urgent, -each.gain, each.listing_id)):
        if left.get(wish.pool, 0) > 0:
            left[wish.pool] -= 1
            granted.add(wish.listing_id)
    return granted


def denied(facts: PriceFacts, rule: PriceRule, gross_minor: int, urgent: bool) -> PriceStep | None:
    """The step that keeps the old price, because a change is not to be had or not worth it; None: go on."""
    budget, published = facts.listing.budget, facts.published
    if budget.free_left is None or published is None or published.gross.amount_minor == gross_minor:
        return None
    wish, shown_minor = rule.spending, published.gross.amount_minor
    given = rule.given.get("budget", "")
    wanted = Money(gross_minor, facts.currency)
    if budget.free_left <= 0:
        if wish.pay and wish.span.holds(facts.now) and budget.fee is not None:
            return None
        until = f" until {budget.resets_at:%Y-%m-%d %H:%M}" if budget.resets_at else ""
        price = f", and one costs {budget.fee}" if budget.fee else ""
        why = f"no free change is left{until}{price}: {wanted} has to wait"
        return PriceStep("budget", shown_minor, why, given)
    small = abs(gross_minor - shown_minor) * WHOLE_PPM < shown_minor * wish.least_ppm
    if small and not urgent and wish.span.holds(facts.now):
        why = f"{wanted} differs by less than {percent(wish.least_ppm)}: not worth a counted change"
        return PriceStep("budget", shown_minor, why, given)
    return None


def without_pool(budget: Budget) -> Budget:
    """The budget of a listing whose pool went to others."""
    return Budget(0, budget.resets_at, budget.pool, budget.fee)
