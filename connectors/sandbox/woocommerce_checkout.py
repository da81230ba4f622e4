"""Moves what happens inside the sandbox WooCommerce shop: checkout, stock, statuses, notes, patience."""

from __future__ import annotations

import html
import itertools
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from connectors.sandbox.faults import Faults
from connectors.sandbox.market import SandboxListing, SandboxMarket, SandboxOrder, SandboxOrderState
from connectors.sandbox.woocommerce_hooks import Webhooks
from connectors.sandbox.woocommerce_shop import Item, JsonObject, Note, Shelf, ShopOrder, shown_order
from core.types import ListingRef, OrderRef

STATUSES = ("pending", "processing", "on-hold", "completed", "cancelled", "refunded", "failed", "trash")
_REDUCING = ("processing", "completed", "on-hold")
_RESTORING = ("cancelled", "pending")
# The codes in a note: a line that says so, then one code a line inside <pre> blocks.
_NOTE_TITLE = "Your codes:"
_PRE = re.compile(r"<pre>\n?(.*?)\n?</pre>", re.DOTALL)


class Shop(SandboxMarket):
    """The shop without its REST API.

    `webhook_after_seconds` is the lag of the shop's own job queue, `hold_seconds` how long the checkout
    keeps stock for an unpaid order, `patience_seconds` how long a paid buyer waits for codes.
    """

    name = "woocommerce"

    def __init__(
        self,
        *,
        faults: Faults | None = None,
        seed: int = 0,
        webhook_after_seconds: float = 62.0,
        hold_seconds: float = 3600.0,
        patience_seconds: float = 900.0,
        tax_percent: int = 20,
        zone_hours: int = 8,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        super().__init__(faults=faults, seed=seed)
        self.now = now or (lambda: datetime.now(UTC))
        self.zone = timedelta(hours=zone_hours)
        self.hold_seconds = hold_seconds
        self.patience_seconds = patience_seconds
        self.tax_percent = tax_percent
        self.shelves: dict[ListingRef, Shelf] = {}
        self.shop_orders: dict[OrderRef, ShopOrder] = {}
        self.webhooks = Webhooks(self, self.show_order, webhook_after_seconds)
        self._numbers = itertools.count(1001)

    def add_listing(
        self, listing_ref: str, sku_ref: str, *, title: str = "", quantity: int = 0, price_minor: int = 0
    ) -> SandboxListing:
        """Put up a product ("12") or a variation of one ("12:34")."""
        product, _, variation = listing_ref.partition(":")
        listing = super().add_listing(
            listing_ref, sku_ref, title=title, quantity=quantity, price_minor=price_minor
        )
        self.shelves[listing.listing_ref] = Shelf(int(product), int(variation or 0))
        return listing

    def show_order(self, order: ShopOrder) -> JsonObject:
        """The order as JSON, as it is now."""
        return shown_order(order, self.currency, self.zone)

    # Buyers.

    async def buy(
        self, listing_ref: ListingRef, quantity: int = 1, *, abandon: bool = False
    ) -> SandboxOrder | None:
        """Go through the checkout, which looks at the stock and keeps it; then pay, or walk away."""
        listing = self.listings.get(listing_ref)
        if listing is None or not self._can_sell(listing, quantity):
            return None
        order = self.place([self.item(listing_ref, quantity)])
        order.is_holding = True
        listing.held += quantity
        if abandon:
            self.later(lambda: self._expire(order), self.hold_seconds)
        else:
            self.set_status(order, "processing")
        return order

    async def refund(self, order_ref: OrderRef) -> None:
        """The shop's owner pays the whole order back in the panel."""
        order = self.shop_orders[order_ref]
        order.refunds.append((order.total_minor - order.refunded_minor, "by hand"))
        self.set_status(order, "refunded")

    def _can_sell(self, listing: SandboxListing, quantity: int) -> bool:
        shelf = self.shelves[listing.listing_ref]
        if not listing.on:
            return False
        unbounded = not shelf.manage_stock or shelf.backorders != "no"
        return unbounded or listing.quantity - listing.held >= quantity

    # Orders, as the checkout and REST both make them.

    def item(self, listing_ref: ListingRef, quantity: int, *, gross_minor: int | None = None) -> Item:
        """A line at the listing's price, or at a total of its own; the tax is inside the gross."""
        listing, shelf = self.listings[listing_ref], self.shelves[listing_ref]
        price_minor = listing.price_minor if shelf.sale_minor is None else shelf.sale_minor
        gross = price_minor * quantity if gross_minor is None else gross_minor
        tax = gross * self.tax_percent // (100 + self.tax_percent)
        number = self.next_number()
        return Item(number, shelf.product_id, shelf.variation_id, listing.title, quantity, gross - tax, tax)

    def place(self, items: list[Item]) -> ShopOrder:
        """Write down a pending order. Nothing here looks at the stock: the checkout does, REST does not."""
        first = items[0]
        variation = f":{first.variation_id}" if first.variation_id else ""
        now = self._second()
        order = ShopOrder(
            OrderRef(str(self.next_number())),
            ListingRef(f"{first.product_id}{variation}"),
            first.quantity,
            (first.total_minor + first.tax_minor) // max(1, first.quantity),
            items=items,
            created=now,
            modified=now,
        )
        self.orders[order.order_ref] = self.shop_orders[order.order_ref] = order
        self.webhooks.announce(order, "created")
        return order

    def set_status(self, order: ShopOrder, status: str) -> None:
        """Move an order, its stock and its standing with the buyer."""
        order.status = status
        self._move_stock(order)
        if status in ("processing", "completed") and not order.was_paid:
            order.was_paid = True
            self.later(lambda: self._lose_patience(order), self.patience_seconds)
        order.state = _state(order)
        if order.was_paid and not order.codes and order.state in _ENDED:
            order.oversold = True
        self.touch(order)

    def touch(self, order: ShopOrder) -> None:
        """Note a change, to the second, and tell the webhooks."""
        order.modified = self._second()
        self.webhooks.announce(order, "updated")

    def write_note(self, order: ShopOrder, text: str, *, for_customer: bool) -> Note:
        """Keep a note as WordPress does, without its backslashes; the buyer reads the codes in it."""
        note = Note(self.next_number(), re.sub(r"\\(.)", r"\1", text), for_customer)
        order.notes.append(note)
        codes = _codes_in(note.text) if for_customer else []
        if codes:
            self.receive_codes(order, codes)
            # Codes that came too late do not bring a cancelled order back.
            order.state = _state(order)
        return note

    def _move_stock(self, order: ShopOrder) -> None:
        reduces = order.status in _REDUCING and not order.stock_reduced
        restores = order.status in _RESTORING and order.stock_reduced
        for item in order.items:
            listing = self.listings.get(_ref(item))
            if listing is None:
                continue
            if order.is_holding and order.status != "pending":
                listing.held -= item.quantity
            if reduces or restores:
                # Down to below zero: that is what an order made through REST does.
                listing.quantity -= item.quantity if reduces else -item.quantity
                listing.sold += item.quantity if reduces else -item.quantity
        order.is_holding = order.is_holding and order.status == "pending"
        order.stock_reduced = (order.stock_reduced or reduces) and not restores

    async def _expire(self, order: ShopOrder) -> None:
        if order.status == "pending":
            self.set_status(order, "cancelled")

    async def _lose_patience(self, order: ShopOrder) -> None:
        """A buyer who paid and has no codes gets the money back."""
        if not order.codes and order.state not in _ENDED:
            self.set_status(order, "cancelled")

    def next_number(self) -> int:
        """The next id: posts, lines and notes are numbered together."""
        return next(self._numbers)

    def _second(self) -> datetime:
        return self.now().astimezone(UTC).replace(microsecond=0)


_ENDED = (SandboxOrderState.CANCELLED, SandboxOrderState.REFUNDED)
_STATES = {
    "pending": SandboxOrderState.PENDING,
    "on-hold": SandboxOrderState.PENDING,
    "processing": SandboxOrderState.PAID,
    "completed": SandboxOrderState.PAID,
    "refunded": SandboxOrderState.REFUNDED,
}


def _state(order: ShopOrder) -> SandboxOrderState:
    state = _STATES.get(order.status, SandboxOrderState.CANCELLED)
    return SandboxOrderState.DELIVERED if order.codes and state not in _ENDED else state


def _ref(item: Item) -> ListingRef:
    variation = f":{item.variation_id}" if item.variation_id else ""
    return ListingRef(f"{item.product_id}{variation}")


def _codes_in(text: str) -> list[str]:
    """The codes as the buyer reads them on the page."""
    if not text.startswith(_NOTE_TITLE):
        return []
    return [html.unescape(line) for block in _PRE.findall(text) for line in block.split("\n") if line]
