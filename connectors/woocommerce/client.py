"""Moves calls to one WooCommerce shop: signed, checked at the door, errors named by recovery."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

import structlog

from connectors.kit.errors import AuthenticationFailed, ChannelRefused, OutcomeUnknown, ProtocolBroken
from connectors.kit.http import ChannelHttp, HttpReply
from connectors.kit.json import Json
from connectors.woocommerce.models import (
    DELIVERY_META,
    ModelT,
    WooBatch,
    WooError,
    WooNote,
    WooOrder,
    WooProduct,
    WooSetting,
    WooWebhook,
    WooWritten,
    read,
    read_list,
)
from connectors.woocommerce.options import WooCommerceOptions
from connectors.woocommerce.signing import Credentials, basic_header, oauth_parameters
from core.types import OrderRef

PER_PAGE = 100
_MOST_PAGES = 50
# Statuses whose body says why; 500 is among them for refunds alone.
_EXPLAINED = (400, 401, 403, 404, 409, 410, 413)
_REFUND_REFUSED = "woocommerce_rest_cannot_create_order_refund"

T = TypeVar("T")
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list, and whether there is another."""

    items: Sequence[T]
    more: bool


class WooClient:
    """The calls of REST v3 that we need, each with its model."""

    def __init__(self, http: ChannelHttp, options: WooCommerceOptions, now: Callable[[], datetime]) -> None:
        self._http = http
        self._root = f"{options.base_url}/wp-json/wc/v3"
        self._is_https = options.is_https
        self._now = now
        self._credentials = Credentials(
            options.consumer_key.get_secret_value(), options.consumer_secret.get_secret_value()
        )

    async def orders(self, modified_after: str, page: int) -> Page[WooOrder]:
        """Orders changed after a moment in UTC, oldest change first."""
        return await self._page(
            WooOrder,
            "/orders",
            page,
            {
                "modified_after": modified_after,
                "dates_are_gmt": "true",
                "orderby": "modified",
                "order": "asc",
            },
        )

    async def order(self, order_ref: OrderRef) -> WooOrder:
        """One order; ChannelRefused with status 404 when the shop has none of that id."""
        reply = await self._call("GET", _order_path(order_ref), safe=True)
        return read(WooOrder, reply.json(), reply.where)

    async def notes(self, order_ref: OrderRef) -> list[WooNote]:
        """All notes to the buyer; the shop does not page them."""
        path = f"{_order_path(order_ref)}/notes"
        reply = await self._call("GET", path, safe=True, params={"type": "customer"})
        return read_list(WooNote, reply.json(), reply.where)

    async def tell_buyer(self, order_ref: OrderRef, text: str) -> None:
        """Write a customer note, which the shop mails at once; a repetition would be a second mail."""
        body: Json = {"note": text, "customer_note": True}
        # The answer's body is not read: whatever a plug-in printed into it, the note is out.
        await self._call("POST", f"{_order_path(order_ref)}/notes", safe=False, json=body)

    async def complete(self, order_ref: OrderRef, attempt_key: str) -> WooOrder:
        """Set the order completed and note the attempt on it; repeating it changes nothing."""
        body: Json = {
            "status": "completed",
            "meta_data": [{"key": DELIVERY_META, "value": attempt_key}],
        }
        reply = await self._call("PUT", _order_path(order_ref), safe=True, json=body)
        return read(WooOrder, reply.json(), reply.where)

    async def mark_refunded(self, order_ref: OrderRef) -> None:
        """Set the order refunded; no money moves by that."""
        await self._call("PUT", _order_path(order_ref), safe=True, json={"status": "refunded"})

    async def cancel(self, order_ref: OrderRef) -> None:
        """Set the order cancelled; the shop puts its stock back."""
        await self._call("PUT", _order_path(order_ref), safe=True, json={"status": "cancelled"})

    async def refund(self, order_ref: OrderRef, amount: str, reason: str, *, by_gateway: bool) -> None:
        """Pay money back; a repetition might pay twice, so read the order before repeating."""
        body: Json = {"amount": amount, "reason": reason, "api_refund": by_gateway}
        path = f"{_order_path(order_ref)}/refunds"
        await self._call("POST", path, safe=False, json=body, explained=(*_EXPLAINED, 500))

    async def products(self, page: int) -> Page[WooProduct]:
        """Products of every status but the trash, by id so that a new one does not shift the pages."""
        return await self._page(WooProduct, "/products", page, {"orderby": "id", "order": "asc"})

    async def variations(self, product_id: int) -> list[WooProduct]:
        """All variations of a product."""
        path = f"/products/{product_id}/variations"
        found: list[WooProduct] = []
        for page in range(1, _MOST_PAGES + 1):
            part = await self._page(WooProduct, path, page, {"orderby": "id", "order": "asc"})
            found.extend(part.items)
            if not part.more:
                return found
        raise ProtocolBroken(f"{path}: more than {_MOST_PAGES} pages")

    async def update_products(self, parent_id: int | None, updates: list[Json]) -> list[WooWritten]:
        """Write up to 100 products, or variations of one product; an answer for each that came back."""
        path = "/products/batch" if parent_id is None else f"/products/{parent_id}/variations/batch"
        reply = await self._call("POST", path, safe=True, json={"update": updates})
        return read(WooBatch, reply.json(), reply.where).update

    async def webhooks(self) -> list[WooWebhook]:
        """All registered webhooks of every status."""
        found: list[WooWebhook] = []
        for page in range(1, _MOST_PAGES + 1):
            part = await self._page(WooWebhook, "/webhooks", page, {"status": "all"})
            found.extend(part.items)
            if not part.more:
                return found
        raise ProtocolBroken(f"/webhooks: more than {_MOST_PAGES} pages")

    async def create_webhook(self, topic: str, url: str, secret: str) -> None:
        """Register a webhook; the shop pings the address at once, unsigned."""
        body: Json = {"name": f"consignd {topic}", "topic": topic, "delivery_url": url, "secret": secret}
        await self._call("POST", "/webhooks", safe=False, json=body)

    async def update_webhook(self, webhook_id: int, *, status: str, secret: str) -> None:
        """Set a webhook's status and secret."""
        body: Json = {"status": status, "secret": secret}
        await self._call("PUT", f"/webhooks/{webhook_id}", safe=True, json=body)

    async def setting(self, group: str, name: str) -> str:
        """One of the shop's settings, as text."""
        reply = await self._call("GET", f"/settings/{group}/{name}", safe=True)
        return str(read(WooSetting, reply.json(), reply.where).value)

    async def _page(
        self, model: type[ModelT], path: str, page: int, query: Mapping[str, str]
    ) -> Page[ModelT]:
        params = {**query, "per_page": str(PER_PAGE), "page": str(page)}
        reply = await self._call("GET", path, safe=True, params=params)
        rows = reply.json()
        if not isinstance(rows, list):
            raise ProtocolBroken(f"{reply.where}: not a list")
        pages = reply.headers.get("x-wp-totalpages", "")
        more = page < int(pages) if pages.isdigit() else len(rows) >= PER_PAGE
        return Page(_readable(model, rows, reply.where), more)

    async def _call(
        self,
        method: str,
        path: str,
        *,
        safe: bool,
        params: Mapping[str, str] | None = None,
        json: Json = None,
        explained: Sequence[int] = _EXPLAINED,
    ) -> HttpReply:
        url, query = f"{self._root}{path}", dict(params or {})
        reply = await self._http.request(
            method,
            url,
            safe=safe,
            headers=basic_header(self._credentials) if self._is_https else None,
            params=query,
            json=json,
            accept=explained,
            sign=None if self._is_https else lambda: self._signed(method, url, query),
        )
        if reply.status >= 300:
            raise _refusal(reply)
        return reply

    def _signed(self, method: str, url: str, query: Mapping[str, str]) -> dict[str, str]:
        timestamp = int(self._now().timestamp())
        nonce = secrets.token_hex(16)
        return oauth_parameters(method, url, query, self._credentials, nonce=nonce, timestamp=timestamp)


def _order_path(order_ref: OrderRef) -> str:
    if not (order_ref.isascii() and order_ref.isdigit()):
        raise ChannelRefused(f"order {order_ref}: the shop's orders have whole numbers", 404)
    return f"/orders/{order_ref}"


def _readable(model: type[ModelT], rows: Sequence[Json], where: str) -> list[ModelT]:
    """The rows that can be read: one that a plug-in broke must not hide all others for ever."""
    found: list[ModelT] = []
    for row in rows:
        try:
            found.append(read(model, row, where))
        except ProtocolBroken as error:
            ref = row.get("id") if isinstance(row, dict) else None
            _log.error("woocommerce.row_unreadable", row_ref=ref, problem=str(error))
    return found


def _refusal(reply: HttpReply) -> Exception:
    """The named error for a status that is not 2xx, with the shop's own reason."""
    try:
        told = read(WooError, reply.json(), reply.where)
    except ProtocolBroken:
        told = WooError()
    text = f"{reply.where}: {reply.status} {told.code}: {told.message}"
    if reply.status in (401, 403):
        return AuthenticationFailed(
            f"{text} Check the REST key and its read/write permission, that the clock is right, and over "
            "https that the server passes the Authorization header on to PHP."
        )
    if reply.status >= 500 and told.code != _REFUND_REFUSED:
        return OutcomeUnknown(f"{reply.where}: {reply.status} after the request was sent")
    return ChannelRefused(text, reply.status)
