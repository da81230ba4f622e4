"""Moves the sandbox shop's REST v3: authentication, products, orders, notes, refunds, webhooks, settings."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

from aiohttp import web

from connectors.sandbox.faults import Faults
from connectors.sandbox.market import SandboxListing
from connectors.sandbox.woocommerce_checkout import STATUSES, Shop
from connectors.sandbox.woocommerce_door import Denied, OAuthDoor
from connectors.sandbox.woocommerce_shop import (
    Item,
    JsonObject,
    Refusal,
    Shelf,
    ShopOrder,
    gmt_or_local,
    integer,
    invalid,
    minor_of,
    objects,
    page_of,
    shown_note,
    shown_parent,
    shown_product,
    shown_webhook,
)
from core.types import ListingRef, OrderRef

_ROOT = "/wp-json/wc/v3"
_BATCH = 100
_OFF = ("draft", "pending", "private")
Handler = Callable[[web.Request], Awaitable[web.Response]]


class WooCommerceSandbox(Shop):
    """A shop on plain http with one REST key.

    `requests_per_second` is a host's limit (WooCommerce itself has none); `gateway_refunds` False is a
    shop whose payment gateway cannot pay back by itself.
    """

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
        requests_per_second: int | None = None,
        gateway_refunds: bool = True,
    ) -> None:
        super().__init__(
            faults=faults,
            seed=seed,
            webhook_after_seconds=webhook_after_seconds,
            hold_seconds=hold_seconds,
            patience_seconds=patience_seconds,
            tax_percent=tax_percent,
            zone_hours=zone_hours,
            now=now,
        )
        self.gateway_refunds = gateway_refunds
        self.settings = {
            "general/woocommerce_currency": self.currency,
            "general/woocommerce_calc_taxes": "yes",
            "tax/woocommerce_prices_include_tax": "yes",
        }
        self._requests_per_second = requests_per_second
        self._recent: deque[float] = deque()
        self._key = f"ck_{self.random.getrandbits(160):040x}"
        self._secret = f"cs_{self.random.getrandbits(160):040x}"
        self._webhook_secret = f"{self.random.getrandbits(160):040x}"
        self._door = OAuthDoor(self._key, self._secret, self.now)

    def connection_options(self) -> Mapping[str, object]:
        return {
            "base_url": self.url,
            "consumer_key": self._key,
            "consumer_secret": self._secret,
            "webhook_secret": self._webhook_secret,
            "orders_from": "2020-01-01T00:00:00Z",
        }

    def routes(self) -> Sequence[web.RouteDef]:
        table: list[tuple[str, str, Handler]] = [
            ("GET", "/products", self._list_products),
            ("POST", "/products/batch", self._batch_products),
            ("GET", r"/products/{product:\d+}/variations", self._list_variations),
            ("POST", r"/products/{product:\d+}/variations/batch", self._batch_variations),
            ("GET", "/orders", self._list_orders),
            ("POST", "/orders", self._create_order),
            ("GET", r"/orders/{order:\d+}", self._get_order),
            ("PUT", r"/orders/{order:\d+}", self._update_order),
            ("GET", r"/orders/{order:\d+}/notes", self._list_notes),
            ("POST", r"/orders/{order:\d+}/notes", self._create_note),
            ("POST", r"/orders/{order:\d+}/refunds", self._create_refund),
            ("GET", "/webhooks", self._list_webhooks),
            ("POST", "/webhooks", self._create_webhook),
            ("PUT", r"/webhooks/{hook:\d+}", self._update_webhook),
            ("GET", "/settings/{group}/{name}", self._get_setting),
        ]
        return [web.route(method, _ROOT + path, self._guarded(handler)) for method, path, handler in table]

    def _guarded(self, handler: Handler) -> Handler:
        """The handler behind the host's limit, the door and the shop's way to word errors."""

        async def handle(request: web.Request) -> web.Response:
            if self._is_too_fast():
                return web.json_response({}, status=429, headers={"Retry-After": "1"})
            try:
                self._door.check(request, self.url)
                return await handler(request)
            except Denied as denied:
                return _refused(Refusal(401, denied.code, denied.message))
            except Refusal as refusal:
                return _refused(refusal)

        return handle

    def _is_too_fast(self) -> bool:
        if self._requests_per_second is None:
            return False
        now = time.monotonic()
        while self._recent and self._recent[0] < now - 1:
            self._recent.popleft()
        self._recent.append(now)
        return len(self._recent) > self._requests_per_second

    # Products.

    async def _list_products(self, request: web.Request) -> web.Response:
        variations: dict[int, list[int]] = {}
        rows: dict[int, JsonObject] = {}
        for ref, shelf in self.shelves.items():
            if shelf.variation_id:
                variations.setdefault(shelf.product_id, []).append(shelf.variation_id)
            else:
                rows[shelf.product_id] = shown_product(self.listings[ref], shelf)
        rows |= {product: shown_parent(product, ids) for product, ids in variations.items()}
        return page_of(request, [rows[product] for product in sorted(rows)])

    async def _list_variations(self, request: web.Request) -> web.Response:
        product_id = int(request.match_info["product"])
        shelves = [
            (shelf.variation_id, ref, shelf)
            for ref, shelf in self.shelves.items()
            if shelf.product_id == product_id and shelf.variation_id
        ]
        return page_of(
            request, [shown_product(self.listings[ref], shelf) for _, ref, shelf in sorted(shelves)]
        )

    async def _batch_products(self, request: web.Request) -> web.Response:
        return await self._batch(request, lambda number: ListingRef(str(number)), "product")

    async def _batch_variations(self, request: web.Request) -> web.Response:
        parent = request.match_info["product"]
        return await self._batch(
            request, lambda number: ListingRef(f"{parent}:{number}"), "product_variation"
        )

    async def _batch(
        self, request: web.Request, ref_of: Callable[[int], ListingRef], kind: str
    ) -> web.Response:
        """Each item on its own: an item's error stands in its place, the answer is 200 all the same."""
        body = await _body(request)
        updates = objects(body, "update")
        if sum(len(objects(body, part)) for part in ("create", "update", "delete")) > _BATCH:
            text = f"Unable to accept more than {_BATCH} items for this request."
            raise Refusal(413, "woocommerce_rest_request_entity_too_large", text)
        shown: list[JsonObject] = []
        for update in updates:
            number = integer(update, "id")
            try:
                shown.append(self._update_product(ref_of(number), update, kind))
            except Refusal as refusal:
                shown.append({"id": number, "error": refusal.shown()})
        return web.json_response({"update": shown})

    def _update_product(self, ref: ListingRef, update: JsonObject, kind: str) -> JsonObject:
        listing, shelf = self.listings.get(ref), self.shelves.get(ref)
        if listing is None or shelf is None:
            raise Refusal(400, f"woocommerce_rest_{kind}_invalid_id", "Invalid ID.")
        _write_product(listing, shelf, update)
        return shown_product(listing, shelf)

    # Orders.

    async def _list_orders(self, request: web.Request) -> web.Response:
        query = request.query
        found = [order for order in self.shop_orders.values() if order.status != "trash"]
        if "modified_after" in query:
            is_gmt = query.get("dates_are_gmt") == "true"
            after = gmt_or_local(query["modified_after"], is_gmt=is_gmt, zone=self.zone)
            found = [order for order in found if order.modified > after]
        if query.get("status", "any") != "any":
            found = [order for order in found if order.status in query["status"].split(",")]
        by_change = query.get("orderby", "date") == "modified"
        found.sort(
            key=lambda order: (order.modified if by_change else order.created, int(order.order_ref)),
            reverse=query.get("order", "desc") == "desc",
        )
        return page_of(request, [self.show_order(order) for order in found])

    async def _create_order(self, request: web.Request) -> web.Response:
        """An order made by a program: nobody looks at the stock."""
        body = await _body(request)
        items = [self._new_item(line) for line in objects(body, "line_items")]
        if not items:
            raise invalid("line_items")
        order = self.place(items)
        status = "processing" if body.get("set_paid") is True else str(body.get("status", "pending"))
        if status not in STATUSES:
            raise invalid("status")
        self.set_status(order, status)
        return web.json_response(self.show_order(order), status=201)

    def _new_item(self, line: JsonObject) -> Item:
        product, variation = integer(line, "product_id"), integer(line, "variation_id", 0)
        quantity = integer(line, "quantity", 1)
        ref = ListingRef(f"{product}:{variation}" if variation else str(product))
        total = line.get("total")
        if ref in self.listings and total is None:
            return self.item(ref, quantity)
        total_minor = minor_of(total if total is not None else "0", "total")
        number = self.next_number()
        return Item(number, product, variation, f"Product {ref}", quantity, total_minor, 0)

    async def _get_order(self, request: web.Request) -> web.Response:
        return web.json_response(self.show_order(self._order(request)))

    async def _update_order(self, request: web.Request) -> web.Response:
        order, body = self._order(request), await _body(request)
        for meta in objects(body, "meta_data"):
            order.meta[str(meta.get("key"))] = str(meta.get("value"))
        status = body.get("status")
        if status is not None and status not in STATUSES:
            raise invalid("status")
        if isinstance(status, str) and status != order.status:
            self.set_status(order, status)
        else:
            self.touch(order)
        return web.json_response(self.show_order(order))

    async def _list_notes(self, request: web.Request) -> web.Response:
        kind = request.query.get("type", "any")
        notes = [
            note
            for note in self._order(request).notes
            if kind == "any" or note.for_customer == (kind == "customer")
        ]
        return web.json_response([shown_note(note) for note in notes])

    async def _create_note(self, request: web.Request) -> web.Response:
        order, body = self._order(request), await _body(request)
        text = body.get("note")
        if not isinstance(text, str):
            raise invalid("note")
        note = self.write_note(order, text, for_customer=body.get("customer_note") is True)
        return web.json_response(shown_note(note), status=201)

    async def _create_refund(self, request: web.Request) -> web.Response:
        order, body = self._order(request), await _body(request)
        amount_minor = minor_of(body.get("amount"), "amount")
        if not 0 < amount_minor <= order.total_minor - order.refunded_minor:
            raise _refund_failed("Invalid refund amount.")
        if body.get("api_refund", True) is True and not self.gateway_refunds:
            raise _refund_failed("The payment gateway for this order does not support automatic refunds.")
        order.refunds.append((amount_minor, str(body.get("reason", ""))))
        if order.refunded_minor == order.total_minor:
            self.set_status(order, "refunded")
        else:
            self.touch(order)
        return web.json_response({"id": 900_000 + len(order.refunds), "amount": body["amount"]}, status=201)

    def _order(self, request: web.Request) -> ShopOrder:
        order = self.shop_orders.get(OrderRef(request.match_info["order"]))
        if order is None:
            raise Refusal(404, "woocommerce_rest_shop_order_invalid_id", "Invalid ID.")
        return order

    # Webhooks and settings.

    async def _list_webhooks(self, request: web.Request) -> web.Response:
        return page_of(request, [shown_webhook(hook) for hook in self.webhooks.hooks.values()])

    async def _create_webhook(self, request: web.Request) -> web.Response:
        body = await _body(request)
        topic, url, secret, name = (
            str(body.get(key, "")) for key in ("topic", "delivery_url", "secret", "name")
        )
        return web.json_response(shown_webhook(self.webhooks.create(topic, url, secret, name)), status=201)

    async def _update_webhook(self, request: web.Request) -> web.Response:
        hook = self.webhooks.hooks.get(int(request.match_info["hook"]))
        if hook is None:
            raise Refusal(400, "woocommerce_rest_shop_webhook_invalid_id", "ID is invalid.")
        self.webhooks.update(hook, await _body(request))
        return web.json_response(shown_webhook(hook))

    async def _get_setting(self, request: web.Request) -> web.Response:
        key = f"{request.match_info['group']}/{request.match_info['name']}"
        if key not in self.settings:
            raise Refusal(404, "rest_setting_setting_invalid", "Invalid setting.")
        return web.json_response({"id": request.match_info["name"], "value": self.settings[key]})


def _write_product(listing: SandboxListing, shelf: Shelf, update: JsonObject) -> None:
    """Write all fields or, when one is wrong, none."""
    status = update.get("status", "publish" if listing.on else _OFF[0])
    if status not in ("publish", *_OFF):
        raise invalid("status")
    quantity = integer(update, "stock_quantity", listing.quantity)
    regular = minor_of(update["regular_price"], "regular_price") if "regular_price" in update else None
    sale = update.get("sale_price")
    sale_minor = minor_of(sale, "sale_price") if sale else None
    listing.on = status == "publish"
    listing.quantity = quantity
    shelf.manage_stock = bool(update.get("manage_stock", shelf.manage_stock))
    shelf.backorders = str(update.get("backorders", shelf.backorders))
    if regular is not None:
        listing.price_minor = regular
    if sale is not None:
        shelf.sale_minor = sale_minor


def _refund_failed(message: str) -> Refusal:
    return Refusal(500, "woocommerce_rest_cannot_create_order_refund", message, bare_data=True)


def _refused(refusal: Refusal) -> web.Response:
    return web.json_response(refusal.shown(), status=refusal.status)


async def _body(request: web.Request) -> JsonObject:
    try:
        body: object = json.loads(await request.read())
    except ValueError:
        raise Refusal(400, "rest_invalid_json", "Invalid JSON body passed.") from None
    if not isinstance(body, dict):
        raise Refusal(400, "rest_invalid_json", "Invalid JSON body passed.")
    return body
