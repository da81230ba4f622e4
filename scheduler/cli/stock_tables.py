"""Shows SKUs, shelves and offers as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.views.stock import ListingView, ShelfView, Shown, SkuDetail, SkuPage, SkuStock
from scheduler.cli.output import Cells, amount, say

_COUNTS = ("available", "reserved", "delivered", "quarantined", "expired", "withdrawn")


def show_page(page: SkuPage) -> None:
    """SKUs with their counts."""
    table = Cells("SKU", "title", *_COUNTS, "base price", "next expiry", right=_COUNTS)
    for sku in page.skus:
        counts = (getattr(sku.counts, name) for name in _COUNTS)
        table.add(sku.sku_ref, sku.title, *counts, _prices(sku), sku.next_expiry)
    table.show()


def show_sku(detail: SkuDetail) -> None:
    """One SKU with everything that explains it."""
    sku, counts = detail.sku, detail.sku.counts
    said = [sku.title, sku.brand, sku.kind, sku.region, amount(sku.face_value_minor, sku.face_currency)]
    say(f"{sku.sku_ref}: {', '.join(part for part in said if part)}")
    say(f"base price: {_prices(sku) or 'none, so nothing is offered'}")
    say(f"imported {counts.imported}: " + ", ".join(f"{getattr(counts, name)} {name}" for name in _COUNTS))
    say("")
    _show_shelves(detail.shelves)
    for listing in detail.listings:
        say("")
        _show_listing(listing)


def _show_shelves(shelves: Sequence[ShelfView]) -> None:
    table = Cells(
        "shelf", "consignor", "expires", "unit cost", "priority", "free", right=["priority", "free"]
    )
    for shelf in shelves:
        cost = amount(shelf.unit_cost_minor, shelf.currency)
        name = f"{shelf.lane}.{shelf.shelf_id}"
        table.add(name, shelf.consignor, shelf.expires_at or "never", cost, shelf.priority, shelf.free)
    table.show()


def _show_listing(listing: ListingView) -> None:
    """An offer's three facts and its explanation."""
    states = {"paused": listing.paused, "disabled": not listing.enabled, "to be published": listing.dirty}
    said = ", ".join(name for name, true in states.items() if true)
    say(f"{listing.channel} {listing.listing_ref}{f' ({said})' if said else ''}")
    if listing.refusal:
        say(f"refused by the channel: {listing.refusal}")
    table = Cells("offer", "quantity", "price", "net", "on", "since", right=["quantity", "price", "net"])
    facts = {"wanted": listing.wanted, "published": listing.published, "observed": listing.observed}
    for name, fact in facts.items():
        table.add(name, *_fact(fact, listing.currency))
    table.show()
    steps = Cells("", "rule", "gives", "why", right=["gives"])
    for subject, why in (listing.why or {}).items():
        for step in why:
            steps.add(subject, step["rule"], _gives(step, listing.currency), step["why"])
    steps.show()


def _fact(fact: Shown, currency: str) -> tuple[object, ...]:
    price, net = amount(fact.price_minor, currency), amount(fact.net_minor, currency)
    return fact.quantity, price, net, fact.on, fact.at


def _gives(step: Mapping[str, str | int], currency: str) -> str:
    """What a rule left of the quantity, or made of the price."""
    if "quantity" in step:
        return str(step["quantity"])
    return amount(int(step["amount_minor"]), currency)


def _prices(sku: SkuStock) -> str:
    return ", ".join(amount(price.base_price_minor, price.currency) for price in sku.base_prices)
