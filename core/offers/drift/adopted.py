"""Decides what a listing shows that keeps what was found on it: never too much, never too cheap. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from core.money.money import Money
from core.offers.closures.closed import Adopted
from core.offers.price.facts import ShownPrice
from core.offers.price.fees import Fees
from core.offers.price.plan import NoPrice, Priced, PricePlan, PriceStep
from core.offers.stock.wants import QuantityPlan
from core.types import ListingId, PriceBasis

_SOURCE = "the channel's own page"


def as_found(
    quantities: Mapping[ListingId, QuantityPlan], found: Mapping[ListingId, Adopted]
) -> dict[ListingId, QuantityPlan]:
    """Quantities held down to those that were adopted; what is left over is not given to others."""
    kept = dict(quantities)
    for listing_id, adopted in found.items():
        if listing_id in kept:
            kept[listing_id] = kept[listing_id].lowered("adopted", adopted.amount, adopted.why, _SOURCE)
    return kept


def price_as_found(
    wanted: PricePlan,
    least: ShownPrice | None,
    adopted: Adopted,
    fees: Fees,
    basis: PriceBasis,
) -> PricePlan:
    """The adopted price instead of the wanted one, unless `least`, the floor's, is higher."""
    if isinstance(wanted, NoPrice) or least is None:
        return wanted
    gross = Money(adopted.amount, least.gross.currency)
    if gross.amount_minor < least.gross.amount_minor:
        why = f"{gross} was found, which is under the floor ({adopted.why})"
        step = PriceStep("adopted", least.gross.amount_minor, why, _SOURCE)
        return Priced(least.gross, least.net, (*wanted.steps, step))
    net = fees.net(gross)
    if basis is PriceBasis.NET and adopted.net_minor is not None:
        net = Money(adopted.net_minor, gross.currency)
    step = PriceStep("adopted", gross.amount_minor, f"as it was found: {adopted.why}", _SOURCE)
    return Priced(gross, net, (*wanted.steps, step))
