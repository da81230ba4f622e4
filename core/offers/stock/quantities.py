"""Decides what quantity each listing of a SKU should show, and how much of it may be told right now. Pure.

Every listing first wants what its own policy makes of the codes it may sell. Where the wants together exceed
the bound (so many thousandths of what we hold), it is shared out to the last code, and nobody gets more than
it wanted.

Channels that demand some validity may sell only a part of the codes. Those parts lie within each other, so
the bound holds for each of them too: three long-lived codes are not promised twice because ten others expire
soon.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.offers.stock.rules import LastTo, SkuPolicy
from core.offers.stock.sharing import Claim, share_out
from core.offers.stock.wants import ListingStock, QuantityPlan, sure_of, wanted
from core.types import ListingId


def plan_quantities(
    available: int, policy: SkuPolicy, listings: Sequence[ListingStock]
) -> dict[ListingId, QuantityPlan]:
    """The quantity of every listing of one SKU, of which `available` codes could be sold now."""
    assert len({listing.listing_id for listing in listings}) == len(listings), "a listing is given twice"
    assert min((available, *(listing.sellable for listing in listings))) >= 0, "less than no codes"
    plans = {listing.listing_id: wanted(listing) for listing in listings}
    # A stable sort: among channels alike, the order given decides.
    ordered = sorted(listings, key=lambda listing: not listing.authoritative)
    preferred = _preferred(plans, ordered, policy)
    _leave_last(plans, ordered, preferred, policy)
    for codes in codes_of_groups(available, listings):
        group = [listing for listing in ordered if listing.sellable <= codes]
        _hold_within(plans, group, preferred, codes, policy)
    return plans


def codes_of_groups(available: int, listings: Sequence[ListingStock]) -> list[int]:
    """The sizes of the parts of the stock that some listings are confined to, then all of it."""
    return [*sorted({each.sellable for each in listings if each.sellable < available}), available]


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


def _preferred(
    plans: Mapping[ListingId, QuantityPlan], ordered: Sequence[ListingStock], policy: SkuPolicy
) -> dict[ListingId, int]:
    """The listings that the last codes are for, the best net proceeds first, with what they want.

    Where all that want codes are of one kind there is nobody to keep them from: the proceeds alone decide.
    """
    if not policy.last_codes.value:
        return {}
    reserving = policy.last_to.value is LastTo.RESERVING
    asking = [listing for listing in ordered if plans[listing.listing_id].quantity]
    chosen = [listing for listing in asking if listing.authoritative is reserving] or asking
    chosen.sort(key=lambda each: (each.proceeds_ppm is None, -(each.proceeds_ppm or 0)))
    return {each.listing_id: plans[each.listing_id].quantity for each in chosen}


def _leave_last(
    plans: dict[ListingId, QuantityPlan],
    ordered: Sequence[ListingStock],
    preferred: Mapping[ListingId, int],
    policy: SkuPolicy,
) -> None:
    """The others do not show the last codes, whatever the bound allows."""
    kept = min(policy.last_codes.value, sum(preferred.values()))
    kind = "reserve" if policy.last_to.value is LastTo.RESERVING else "sell without asking"
    for each in ordered:
        if each.listing_id not in preferred:
            why = f"the last {kept} are for channels that {kind}"
            left, source = max(0, each.sellable - kept), policy.last_codes.source
            plans[each.listing_id] = plans[each.listing_id].lowered("last codes", left, why, source)


def _hold_within(
    plans: dict[ListingId, QuantityPlan],
    group: Sequence[ListingStock],
    preferred: Mapping[ListingId, int],
    codes: int,
    policy: SkuPolicy,
) -> None:
    """Reduce a group that may sell only so many codes to their bound."""
    wants = [plans[listing.listing_id].quantity for listing in group]
    bound = quantity_bound(codes, policy.bound_permille.value)
    if sum(wants) <= bound:
        return
    first = _first(plans, group, preferred, min(bound, policy.last_codes.value))
    claims = [
        Claim(
            wants=plans[each.listing_id].quantity,
            first=first.get(each.listing_id, 0),
            sure=sure_of(each),
            priority=each.policy.priority.value,
            sold_per_second=each.sold_per_second,
        )
        for each in group
    ]
    why = (
        f"{len(group)} listings want {sum(wants)} of {codes} codes; {bound} may be promised, shared by"
        f" {policy.shared_by.value.value} ({policy.shared_by.source})"
    )
    for each, quantity in zip(group, share_out(bound, claims, policy.shared_by.value), strict=True):
        plan = plans[each.listing_id]
        plans[each.listing_id] = plan.lowered("bound", quantity, why, policy.bound_permille.source)


def _first(
    plans: Mapping[ListingId, QuantityPlan],
    group: Sequence[ListingStock],
    preferred: Mapping[ListingId, int],
    last_codes: int,
) -> dict[ListingId, int]:
    """The last codes, to those of the group that they are for, one after the other."""
    here = {each.listing_id for each in group}
    first: dict[ListingId, int] = {}
    for listing_id in preferred:
        if listing_id in here:
            first[listing_id] = min(plans[listing_id].quantity, last_codes - sum(first.values()))
    return first
