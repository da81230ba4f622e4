"""Decides what the sandbox shop keeps of products, orders and webhooks, and how it shows them as JSON."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from aiohttp import web

from connectors.sandbox.market import SandboxListing, SandboxOrder

_LARGEST_PAGE = 100

JsonValue = bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"] | None
JsonObject = dict[str, JsonValue]


@dataclass(slots=True)
class Shelf:
    """What the shop knows of a product beyond a listing."""

    product_id: int
    variation_id: int = 0
    manage_stock: bool = True
    backorders: str = "no"
    sale_minor: int | None = None


@dataclass(slots=True)
class Item:
    """A product line of an order; amounts for all pieces, tax apart."""

    item_id: int
    product_id: int
    variation_id: int
    name: str
    quantity: int
    total_minor: int
    tax_minor: int


@dataclass(slots=True)
class Note:
    """A note on an order."""

    note_id: int
    text: str = field(repr=False)
    for_customer: bool


@dataclass(slots=True)
class ShopOrder(SandboxOrder):
    """An order as the shop's database has it; times are whole seconds."""

    status: str = "pending"
    created: datetime = datetime(2000, 1, 1, tzinfo=UTC)
    modified: datetime = datetime(2000, 1, 1, tzinfo=UTC)
    items: list[Item] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    meta: dict[str, str] = field(default_factory=dict)
    refunds: list[tuple[int, str]] = field(default_factory=list)
    is_holding: bool = False
    stock_reduced: bool = False
    was_paid: bool = False
    customer_id: int = 0
    email: str = "buyer@example.com"
    address: tuple[str, str, str] = ("", "", "")  # street and house, post code, country
    ip_address: str = ""

    @property
    def total_minor(self) -> int:
        return sum(item.total_minor + item.tax_minor for item in self.items)

    @property
    def refunded_minor(self) -> int:
        return sum(amount_minor for amount_minor, _ in self.refunds)


@dataclass(slots=True)
class Webhook:
    """A registered webhook; `failures` is reset by a success only."""

    hook_id: int
    topic: str
    delivery_url: str
    secret: str = field(repr=False)
    name: str = ""
    status: str = "active"
    failures: int = 0
    ping_is_due: bool = True


class Refusal(Exception):
    """An error as the REST API words it."""

    def __init__(self, status: int, code: str, message: str, *, bare_data: bool = False) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        # Some controllers put the bare status where others put an object.
        self.bare_data = bare_data

    def shown(self) -> JsonObject:
        data: JsonValue = self.status if self.bare_data else {"status": self.status}
        return {"code": self.code, "message": self.message, "data": data}


def invalid(parameter: str) -> Refusal:
    return Refusal(400, "rest_invalid_param", f"Invalid parameter(s): {parameter}")


def integer(of: JsonObject, name: str, default: int | None = None) -> int:
    """A field that is a whole number."""
    value = of.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise invalid(name)
    return value


def objects(of: JsonObject, name: str) -> list[JsonObject]:
    """A field that is a list of objects; empty when it is not there."""
    value = of.get(name, [])
    if not isinstance(value, list):
        raise invalid(name)
    found = [each for each in value if isinstance(each, dict)]
    if len(found) != len(value):
        raise invalid(name)
    return found


def decimal_text(minor: int) -> str:
    sign = "-" if minor < 0 else ""
    return f"{sign}{abs(minor) // 100}.{abs(minor) % 100:02d}"


def minor_of(value: object, parameter: str) -> int:
    """A decimal string with at most two decimals, in minor units."""
    match = re.fullmatch(r"(-?)(\d{1,12})(?:\.(\d{1,2}))?", str(value))
    if match is None:
        raise invalid(parameter)
    sign, whole, cents = match.groups()
    minor = int(whole) * 100 + int((cents or "").ljust(2, "0"))
    return -minor if sign else minor


def shown_product(listing: SandboxListing, shelf: Shelf) -> JsonObject:
    """A product or a variation, as the shop lists it."""
    off = "private" if shelf.variation_id else "draft"
    price = listing.price_minor if shelf.sale_minor is None else shelf.sale_minor
    in_stock = not shelf.manage_stock or listing.quantity > 0 or shelf.backorders != "no"
    return {
        "id": shelf.variation_id or shelf.product_id,
        "name": listing.title,
        "type": "variation" if shelf.variation_id else "simple",
        "status": "publish" if listing.on else off,
        "catalog_visibility": "visible",
        "sku": listing.sku_ref,
        "price": decimal_text(price),
        "regular_price": decimal_text(listing.price_minor),
        "sale_price": "" if shelf.sale_minor is None else decimal_text(shelf.sale_minor),
        "virtual": True,
        "manage_stock": shelf.manage_stock,
        "stock_quantity": listing.quantity if shelf.manage_stock else None,
        "stock_status": "instock" if in_stock else "outofstock",
        "backorders": shelf.backorders,
    }


def shown_parent(product_id: int, variation_ids: Sequence[int]) -> JsonObject:
    """A product that is sold by its variations only."""
    return {
        "id": product_id,
        "name": f"Product {product_id}",
        "type": "variable",
        "status": "publish",
        "sku": "",
        "price": "",
        "regular_price": "",
        "manage_stock": False,
        "stock_quantity": None,
        "stock_status": "instock",
        "variations": list(variation_ids),
    }


def shown_order(order: ShopOrder, currency: str, zone: timedelta) -> JsonObject:
    """An order; each time comes in the shop's own zone and again in UTC, neither says which."""
    return {
        "id": int(order.order_ref),
        "parent_id": 0,
        "number": order.order_ref,
        "version": "11.0.1",
        "status": order.status,
        "currency": currency,
        "date_created": _stamp(order.created + zone),
        "date_created_gmt": _stamp(order.created),
        "date_modified": _stamp(order.modified + zone),
        "date_modified_gmt": _stamp(order.modified),
        "total": decimal_text(order.total_minor),
        "total_tax": decimal_text(sum(item.tax_minor for item in order.items)),
        "prices_include_tax": True,
        "customer_id": order.customer_id,
        "customer_ip_address": order.ip_address,
        "customer_user_agent": "Mozilla/5.0",
        "billing": _shown_billing(order),
        "payment_method": "sandbox",
        "meta_data": [
            {"id": number, "key": key, "value": value}
            for number, (key, value) in enumerate(order.meta.items(), start=1)
        ],
        "line_items": [_shown_item(item) for item in order.items],
        "shipping_lines": [],
        "fee_lines": [],
        "refunds": [
            {"id": 900_000 + number, "reason": reason, "total": decimal_text(-amount_minor)}
            for number, (amount_minor, reason) in enumerate(order.refunds)
        ],
    }


def _shown_billing(order: ShopOrder) -> JsonObject:
    return {
        "first_name": "",
        "last_name": "",
        "address_1": order.address[0],
        "address_2": "",
        "postcode": order.address[1],
        "country": order.address[2],
        "email": order.email,
        "phone": "",
    }


def _shown_item(item: Item) -> JsonObject:
    return {
        "id": item.item_id,
        "name": item.name,
        "product_id": item.product_id,
        "variation_id": item.variation_id,
        "quantity": item.quantity,
        "subtotal": decimal_text(item.total_minor),
        "total": decimal_text(item.total_minor),
        "total_tax": decimal_text(item.tax_minor),
        # The shop divides with floats here; nobody should read it.
        "price": item.total_minor / 100 / max(1, item.quantity),
    }


def shown_note(note: Note) -> JsonObject:
    return {"id": note.note_id, "author": "system", "note": note.text, "customer_note": note.for_customer}


def shown_webhook(hook: Webhook) -> JsonObject:
    """A webhook; its secret is kept to itself."""
    return {
        "id": hook.hook_id,
        "name": hook.name,
        "status": hook.status,
        "topic": hook.topic,
        "resource": hook.topic.partition(".")[0],
        "event": hook.topic.partition(".")[2],
        "delivery_url": hook.delivery_url,
    }


def whole(query: Mapping[str, str], name: str, default: int, largest: int) -> int:
    """A whole number from 1 to `largest` out of the query."""
    text = query.get(name, str(default))
    if not text.isdigit() or not 1 <= int(text) <= largest:
        raise invalid(name)
    return int(text)


def page_of(request: web.Request, rows: Sequence[JsonObject]) -> web.Response:
    """One page of rows with the headers that count them."""
    page = whole(request.query, "page", 1, 1_000_000)
    per_page = whole(request.query, "per_page", 10, _LARGEST_PAGE)
    pages = math.ceil(len(rows) / per_page)
    first = (page - 1) * per_page
    shown = list(rows[first : first + per_page])
    headers = {"X-WP-Total": str(len(rows)), "X-WP-TotalPages": str(pages)}
    if page < pages:
        following = request.url.update_query(page=str(page + 1))
        headers["Link"] = f'<{following}>; rel="next"'
    return web.json_response(shown, headers=headers)


def gmt_or_local(text: str, *, is_gmt: bool, zone: timedelta) -> datetime:
    """A time of the query: in the shop's zone unless it is said to be UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise invalid("modified_after") from None
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    return (moment if is_gmt else moment - zone).replace(tzinfo=UTC)


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}"
