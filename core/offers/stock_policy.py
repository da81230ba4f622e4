"""Decides what quantity each listing of a SKU should show, and how much of it may be told right now. Pure.

Every listing first wants what its own rule makes of the codes it may sell. Where the wants together exceed
the bound (so many thousandths of what we hold), all are reduced in proportion to what they want, to the
last code: the sum is exactly the bound, nobody gets more than it wanted, and when single codes are left
over, those go to the largest remainders, among equals to channels whose reservation is authoritative.

Channels that demand some validity may sell only a part of the codes. Those parts lie within each other, so
the bound holds for each of them too: three long-lived codes are not promised twice because ten others
expire soon.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import PlanRefused
from core.money.money import share
from core.money.splits import percent
from core.types import ListingId

_WHOLE_PPM = 1_000_000


@dataclass(frozen=True, slots=True)
class StockRule:
    """How much of what it may sell a channel is shown: a share of it, less a buffer, at most a cap."""

    share_ppm: int = _WHOLE_PPM
    cap: int | None = None
    buffer: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.share_ppm <= _WHOLE_PPM:
            raise PlanRefused(f"stock rule: share_ppm is {self.share_ppm}: write 0 to {_WHOLE_PPM}")
        if self.buffer < 0 or (self.cap is not None and self.cap < 0):
            raise PlanRefused(f"stock rule: cap {self.cap} or buffer {self.buffer} is below zero")


@dataclass(frozen=True, slots=True)
class ListingStock:
    """A listing with what its channel may sell (its minimum validity respected) and is able to show."""

    listing_id: ListingId
    channel: str
    rule: StockRule
    on: bool
    sellable: int
    authoritative: bool
    largest_quantity: int


@dataclass(frozen=True, slots=True)
class Step:
    """What the quantity was after one rule, and why."""

    rule: str
    quantity: int
    why: str


@dataclass(frozen=True, slots=True)
class QuantityPlan:
    """What a listing should show; the last step ends at the quantity."""

    quantity: int
    steps: tuple[Step, ...]

    def lowered(self, rule: str, quantity: int, why: str) -> QuantityPlan:
        """The plan after one more rule, which leaves no step where it changes nothing."""
        if quantity >= self.quantity:
            return self
        return QuantityPlan(quantity, (*self.steps, Step(rule, quantity, why)))


def plan_quantities(
    available: int, bound_permille: int, listings: Sequence[ListingStock]
) -> dict[ListingId, QuantityPlan]:
    """The quantity of every listing of one SKU, of which `available` codes could be sold now."""
    assert len({listing.listing_id for listing in listings}) == len(listings), "a listing is given twice"
    assert min((available, *(listing.sellable for listing in listings))) >= 0, "less than no codes"
    plans = {listing.listing_id: _wanted(listing) for listing in listings}
    # A stable sort: among channels alike, the order given decides.
    ordered = sorted(listings, key=lambda listing: not listing.authoritative)
    for codes in sorted({listing.sellable for listing in listings if listing.sellable < available}):
        _hold_within(
            plans, [listing for listing in ordered if listing.sellable <= codes], codes, bound_permille
        )
    _hold_within(plans, ordered, available, bound_permille)
    return plans


def promise_now(
    target: int, showing: int, others: int, available: int, bound_permille: int
) -> tuple[int, str | None]:
    """What a listing may be told at this moment, and what held it back if that is less than the target.

    `showing` and `others` are the most that this listing and all others of the SKU may be showing now: a
    listing that was told to show less still counts with the old quantity until it has answered. A decrease
    always passes; an increase goes only as far as the bound leaves room.
    """
    bound = quantity_bound(available, bound_permille)
    quantity = min(target, max(showing, bound - others))
    if quantity == target:
        return quantity, None
    return quantity, f"other listings may still show {others} of the {bound} that may be promised"


def quantity_bound(available: int, bound_permille: int) -> int:
    """The most that all listings together may show."""
    return available * bound_permille // 1000


def _wanted(listing: ListingStock) -> QuantityPlan:
    """What a listing would show if it were alone."""
    rule, sellable = listing.rule, listing.sellable
    plan = QuantityPlan(sellable, (Step("sellable", sellable, f"codes that {listing.channel} may sell"),))
    if not listing.on:
        return plan.lowered("off", 0, "the listing is switched off")
    part = sellable * rule.share_ppm // _WHOLE_PPM
    plan = plan.lowered("share", part, f"{percent(rule.share_ppm)} of {sellable}")
    plan = plan.lowered("buffer", max(0, part - rule.buffer), f"{rule.buffer} kept back")
    if rule.cap is not None:
        plan = plan.lowered("cap", rule.cap, f"{listing.channel} is shown at most {rule.cap}")
    most = listing.largest_quantity
    return plan.lowered("largest", most, f"{listing.channel} cannot show more than {most}")


def _hold_within(
    plans: dict[ListingId, QuantityPlan], group: Sequence[ListingStock], codes: int, bound_permille: int
) -> None:
    """Reduce a group that may sell only so many codes to their bound, in proportion to its wants."""
    wants = [plans[listing.listing_id].quantity for listing in group]
    bound = quantity_bound(codes, bound_permille)
    if sum(wants) <= bound:
        return
    why = f"{len(group)} listings want {sum(wants)} of {codes} codes; {bound} may be promised"
    for listing, quantity in zip(group, share(bound, wants), strict=True):
        plans[listing.listing_id] = plans[listing.listing_id].lowered("bound", quantity, why)
