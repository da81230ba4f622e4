"""Decides how many pieces a listing may still show while a flash sale with a quota is on. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from core.offers.price.window import current
from core.offers.pricing.listing_prices import PriceCase
from core.offers.stock.wants import QuotaLeft
from core.types import ListingId


def quotas_left(cases: Iterable[PriceCase]) -> dict[ListingId, QuotaLeft]:
    """What is left for each listing that is in a sale with a quota now; the others show what they like.

    A sale whose quota is used up is over, and its price and its limit with it.
    """
    return {case.row.listing_id: left for case in cases if (left := _left(case)) is not None}


def _left(case: PriceCase) -> QuotaLeft | None:
    window = current(case.facts, case.rule)
    if window is None or window.quota is None:
        return None
    sold = case.facts.listing.sold_in.get(window.name, 0)
    why = f"flash sale {window.name}, until {window.until:%Y-%m-%d %H:%M}: {sold} of {window.quota} sold"
    return QuotaLeft(window.quota - sold, why, case.rule.given.get("windows", ""))
