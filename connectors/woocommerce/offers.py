"""Decides what is written into a product for an offer, and what a product shows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from connectors.kit.json import Json
from connectors.kit.messages import OfferResult, OfferStatus
from connectors.woocommerce.models import WooProduct, WooWritten
from connectors.woocommerce.orders import nearest_minor
from core.money.money import Money, exponent
from core.types import ListingRef, OfferObserved, OfferWanted

_REF = re.compile(r"([1-9]\d{0,18})(?::([1-9]\d{0,18}))?")
# Kinds of product that nobody can buy as such: their parts or somebody else's shop are sold.
NOT_SOLD = ("variable", "grouped", "external")


@dataclass(frozen=True, slots=True)
class ProductRef:
    """A listing's place: a product, or a variation of one."""

    product_id: int
    parent_id: int | None = None


def product_ref(listing_ref: ListingRef) -> ProductRef | None:
    """Read `product` or `product:variation`; None for anything else."""
    match = _REF.fullmatch(listing_ref)
    if match is None:
        return None
    product, variation = match.groups()
    return ProductRef(int(variation), int(product)) if variation else ProductRef(int(product))


def product_update(offer: OfferWanted, ref: ProductRef) -> dict[str, Json]:
    """The fields to write, absolute values and only those that changed.

    Off is the status `draft` (`private` for a variation, which has no drafts): WooCommerce then refuses to
    sell, and unlike a stock of 0 it can be told apart when it is read back. Sold out keeps the page up.
    """
    off = "draft" if ref.parent_id is None else "private"
    update: dict[str, Json] = {"id": ref.product_id, "status": "publish" if offer.on else off}
    if offer.price_changed:
        # A sale price left behind would undercut the price we were told to show.
        update |= {"regular_price": price_text(offer.price), "sale_price": ""}
    if offer.quantity_changed:
        # Backorders would sell on below zero.
        update |= {"manage_stock": True, "stock_quantity": offer.quantity, "backorders": "no"}
    return update


def price_text(price: Money) -> str:
    """A price as the shop writes it: major units, a point, no currency."""
    return f"{price.decimal():.{exponent(price.currency)}f}"


def results_of(offers: Sequence[OfferWanted], written: Sequence[WooWritten]) -> list[OfferResult]:
    """What became of each offer of one batch, found by id and not by place."""
    answers = {item.id: item for item in written}
    return [_result(offer, answers) for offer in offers]


def _result(offer: OfferWanted, answers: dict[int, WooWritten]) -> OfferResult:
    ref = product_ref(offer.listing_ref)
    answer = answers.get(ref.product_id) if ref else None
    if answer is None:
        return OfferResult(offer.listing_ref, OfferStatus.UNKNOWN, "the shop's answer left it out")
    if answer.error is None:
        return OfferResult(offer.listing_ref, OfferStatus.PUBLISHED)
    detail = f"{answer.error.code}: {answer.error.message}"
    if answer.error.status in (409, 429) or answer.error.status >= 500:
        return OfferResult(offer.listing_ref, OfferStatus.TRY_LATER, detail, 5.0)
    return OfferResult(offer.listing_ref, OfferStatus.REFUSED, detail)


def observed(
    product: WooProduct, currency: str, largest_quantity: int, parent: WooProduct | None = None
) -> OfferObserved:
    """What a buyer finds.

    A product without stock management sells without end and is reported at the largest quantity, so that
    the difference is seen. A stock below zero, which the shop allows itself, is nothing to sell.
    """
    published = product.status == "publish" and (parent is None or parent.status == "publish")
    price_minor = _price_minor(product.price, currency)
    return OfferObserved(
        listing_ref=ListingRef(f"{parent.id}:{product.id}" if parent else str(product.id)),
        quantity=max(0, _stock(product, largest_quantity)),
        price=Money(price_minor or 0, currency),
        on=published and price_minor is not None,
        sku_ref=product.sku or None,
        title=" - ".join(part for part in (parent.name if parent else "", product.name) if part) or None,
    )


def _stock(product: WooProduct, largest_quantity: int) -> int:
    if product.manage_stock:
        return product.stock_quantity or 0
    return 0 if product.stock_status == "outofstock" else largest_quantity


def _price_minor(text: str, currency: str) -> int | None:
    """The price in minor units; None where there is none, which WooCommerce does not sell."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return None
    return nearest_minor(amount, currency) if amount.is_finite() and abs(amount) < 10**15 else None
