"""Moves a small Harbour: offers priced net, sales told by signed webhooks, codes uploaded, a ledger."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import aiohttp
from aiohttp import web

from connectors.sandbox.market import SandboxMarket, SandboxOrder, SandboxOrderState
from core.types import ListingRef, OrderRef

_KEY = "harbour-key-51c0de77"
_WEBHOOK_SECRET = "harbour-hook-90ab12ef"
_PAGE = 3
_COMMISSION_PERCENT = 10
_COMMISSION_FIXED_MINOR = 25


def net_minor(gross_minor: int) -> int:
    """What Harbour pays of a gross price."""
    return gross_minor - gross_minor * _COMMISSION_PERCENT // 100 - _COMMISSION_FIXED_MINOR


def gross_minor(net: int) -> int:
    """The lowest gross price of which Harbour pays so much."""
    gross = max(0, (net + _COMMISSION_FIXED_MINOR) * 100 // (100 - _COMMISSION_PERCENT) - 2)
    return next(price for price in itertools.count(gross) if net_minor(price) >= net)


def sign(sent_at: str, body: bytes) -> dict[str, str]:
    """The headers that make a webhook Harbour's."""
    signature = hmac.new(_WEBHOOK_SECRET.encode(), sent_at.encode() + b"." + body, hashlib.sha256)
    return {"X-Harbour-Time": sent_at, "X-Harbour-Signature": signature.hexdigest()}


class HarbourMarket(SandboxMarket):
    """Harbour on a loopback socket."""

    name = "harbour"

    def __init__(self, *, seed: int = 0) -> None:
        super().__init__(seed=seed)
        self._numbers = itertools.count(1)
        self._webhook_url = ""
        self._ledger: list[dict[str, object]] = []

    def connection_options(self) -> Mapping[str, object]:
        return {"url": self.url, "key": _KEY, "webhook_secret": _WEBHOOK_SECRET}

    def routes(self) -> Sequence[web.RouteDef]:
        return [
            web.get("/me", self._me),
            web.get("/offers", self._offers),
            web.patch("/offers/{id}", self._write),
            web.put("/webhook", self._hook),
            web.get("/sales/{id}", self._sale),
            web.delete("/sales/{id}", self._cancel),
            web.post("/sales/{id}/codes", self._codes),
            web.get("/fees", self._fees),
            web.get("/ledger", self._lines),
        ]

    async def buy(
        self, listing_ref: ListingRef, quantity: int = 1, *, abandon: bool = False
    ) -> SandboxOrder | None:
        listing = self.listings[listing_ref]
        if not listing.on or listing.quantity < quantity or abandon:
            return None
        listing.quantity -= quantity
        order = SandboxOrder(OrderRef(f"S-{next(self._numbers)}"), listing_ref, quantity, listing.price_minor)
        order.state = SandboxOrderState.PAID
        self.orders[order.order_ref] = order
        self._tell(order)
        return order

    async def refund(self, order_ref: OrderRef) -> None:
        order = self.orders[order_ref]
        order.state = SandboxOrderState.REFUNDED
        self._book(order, "refund", -net_minor(order.unit_price_minor) * order.quantity)
        self._tell(order)

    def _tell(self, order: SandboxOrder) -> None:
        async def send() -> None:
            if not self._webhook_url or self.client is None:
                return
            body = json.dumps({"event": "sale", "sale": self._shown(order)}).encode()
            headers = {"Content-Type": "application/json", **sign(datetime.now(UTC).isoformat(), body)}
            try:
                async with self.client.post(self._webhook_url, data=body, headers=headers) as reply:
                    told = reply.status < 300
            except aiohttp.ClientError:
                told = False
            if not told:
                self.later(send, after_seconds=0.5)

        self.send_callback(send)

    def _book(self, order: SandboxOrder, kind: str, amount_minor: int) -> None:
        self._ledger.append(
            {
                "id": len(self._ledger) + 1,
                "kind": kind,
                "amount_minor": amount_minor,
                "booked_at": datetime.now(UTC).isoformat(),
                "sale": order.order_ref,
            }
        )

    async def _me(self, request: web.Request) -> web.Response:
        self._authenticate(request)
        return web.json_response({"seller": "Harbour sandbox"})

    async def _offers(self, request: web.Request) -> web.Response:
        self._authenticate(request)
        refs = sorted(ref for ref in self.listings if ref > request.query.get("after", ""))
        offers = [
            {
                "id": ref,
                "title": self.listings[ref].title,
                "stock": self.listings[ref].quantity,
                "gross_minor": self.listings[ref].price_minor,
                "visible": self.listings[ref].on,
            }
            for ref in refs[:_PAGE]
        ]
        return web.json_response({"offers": offers, "after": refs[_PAGE - 1] if len(refs) > _PAGE else None})

    async def _write(self, request: web.Request) -> web.Response:
        self._authenticate(request)
        listing = self.listings.get(ListingRef(request.match_info["id"]))
        if listing is None:
            raise web.HTTPNotFound
        body = await request.json()
        listing.quantity, listing.on = body["stock"], body["visible"]
        listing.price_minor = gross_minor(body["net_minor"])
        return web.json_response({})

    async def _hook(self, request: web.Request) -> web.Response:
        self._authenticate(request)
        self._webhook_url = (await request.json())["url"]
        return web.json_response({})

    async def _sale(self, request: web.Request) -> web.Response:
        return web.json_response(self._shown(self._find(request)))

    async def _cancel(self, request: web.Request) -> web.Response:
        order = self._find(request)
        if order.codes:
            return web.json_response({"error": "has codes"}, status=409)
        order.state = SandboxOrderState.CANCELLED
        return web.json_response({})

    async def _codes(self, request: web.Request) -> web.Response:
        order = self._find(request)
        if order.codes:
            return web.json_response({"error": "has codes"}, status=409)
        if order.state is not SandboxOrderState.PAID:
            return web.json_response({"error": "closed"}, status=409)
        self.receive_codes(order, (await request.json())["codes"])
        gross = order.unit_price_minor * order.quantity
        self._book(order, "sale", gross)
        self._book(order, "commission", net_minor(order.unit_price_minor) * order.quantity - gross)
        return web.json_response({})

    async def _fees(self, request: web.Request) -> web.Response:
        self._authenticate(request)
        if "net_minor" in request.query:
            gross = gross_minor(int(request.query["net_minor"]))
        else:
            gross = int(request.query["gross_minor"])
        return web.json_response({"gross_minor": gross, "net_minor": net_minor(gross)})

    async def _lines(self, request: web.Request) -> web.Response:
        self._authenticate(request)
        after = int(request.query["after"])
        lines = self._ledger[after : after + _PAGE]
        return web.json_response({"lines": lines, "more": len(self._ledger) > after + _PAGE})

    def _shown(self, order: SandboxOrder) -> dict[str, object]:
        return {
            "id": order.order_ref,
            "offer": order.listing_ref,
            "pieces": order.quantity,
            "gross_minor": order.unit_price_minor,
            "state": "paid" if order.state is SandboxOrderState.DELIVERED else order.state.value,
            "paid_at": datetime.now(UTC).isoformat(),
            "codes": len(order.codes),
        }

    def _find(self, request: web.Request) -> SandboxOrder:
        self._authenticate(request)
        order = self.orders.get(OrderRef(request.match_info["id"]))
        if order is None:
            raise web.HTTPNotFound
        return order

    def _authenticate(self, request: web.Request) -> None:
        if request.headers.get("X-Harbour-Key") != _KEY:
            raise web.HTTPUnauthorized
