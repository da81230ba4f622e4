"""Moves the Eneba sandbox: buyers, the RESERVE / PROVIDE / CANCEL conversation with the seller, its costs."""

from __future__ import annotations

import asyncio
import base64
import binascii
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

from connectors.kit.errors import ProtocolBroken
from connectors.kit.json import Json, dump_json, parse_json
from connectors.sandbox.eneba_api import EnebaApi
from connectors.sandbox.eneba_books import Auction, CallbackType, EnebaBooks, EnebaTerms, Ledger
from connectors.sandbox.eneba_door import EnebaDoor
from connectors.sandbox.eneba_health import PROVISION, RESERVATION, AuctionHealth, HealthRules
from connectors.sandbox.faults import Fault, Faults
from connectors.sandbox.market import SandboxListing, SandboxMarket, SandboxOrder, SandboxOrderState
from core.types import ListingRef, OrderRef

_PROVIDE_ATTEMPTS = 3
_CANCEL_ATTEMPTS = 2


@dataclass(frozen=True, slots=True)
class CallbackResult:
    """What the marketplace made of one attempt: `P_declaredStockResult` tells sellers the same."""

    type: CallbackType
    order_ref: OrderRef
    status: int | None
    failure: str | None
    # The attempt was spoilt by a fault of the marketplace's own side, not by the seller.
    by_fault: bool = False
    codes: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class _Item:
    auction: Auction
    quantity: int
    price_minor: int


class EnebaSandbox(SandboxMarket):
    """Eneba on a loopback socket."""

    name = "eneba"

    def __init__(
        self,
        *,
        terms: EnebaTerms | None = None,
        health: HealthRules | None = None,
        faults: Faults | None = None,
        seed: int = 0,
        callback_token: str = "sandbox-callback-token",  # noqa: S107 - a sandbox has no secrets
    ) -> None:
        super().__init__(faults=faults, seed=seed)
        self.terms = terms or EnebaTerms()
        self.health = health or HealthRules()
        self.books = EnebaBooks(self.terms, Ledger(self.currency))
        self.api = EnebaApi(self.books, self.rivals, self.later)
        self.door = EnebaDoor(self.terms, self.api.resolvers)
        self.results: list[CallbackResult] = []
        self._callback_token = callback_token
        self._items: dict[OrderRef, Sequence[_Item]] = {}

    def routes(self) -> Sequence[web.RouteDef]:
        """The seller's API."""
        return self.door.routes()

    def connection_options(self) -> Mapping[str, object]:
        """The options that point our connector at this sandbox."""
        return {
            "client_id": self.terms.client_id,
            "auth_id": self.terms.auth_id,
            "auth_secret": self.terms.auth_secret,
            "callback_token": self._callback_token,
            "base_url": f"{self.url}/graphql/",
            "auth_url": f"{self.url}/oauth/token",
            "action_poll_seconds": min(0.5, max(0.02, self.terms.action_delay_seconds / 4)),
        }

    def add_listing(
        self, listing_ref: str, sku_ref: str, *, title: str = "", quantity: int = 0, price_minor: int = 0
    ) -> SandboxListing:
        """Put an auction up, as the seller would have done in Eneba's panel."""
        listing = super().add_listing(
            listing_ref, sku_ref, title=title, quantity=quantity, price_minor=price_minor
        )
        health = AuctionHealth(self.health, time.monotonic)
        self.books.auctions[listing.listing_ref] = Auction(listing, f"product-{sku_ref}", self.terms, health)
        return listing

    # Buyers.

    async def buy(
        self, listing_ref: ListingRef, quantity: int = 1, *, abandon: bool = False
    ) -> SandboxOrder | None:
        """A buyer takes so many pieces of one auction; paying and providing follow in the background."""
        return await self.buy_together({listing_ref: quantity}, abandon=abandon)

    async def buy_together(
        self, quantities: Mapping[ListingRef, int], *, abandon: bool = False
    ) -> SandboxOrder | None:
        """A buyer takes pieces of several auctions of ours in one order."""
        items = [
            _Item(auction, quantity, auction.listing.price_minor)
            for auction, quantity in ((self.books.auctions[ref], n) for ref, n in quantities.items())
        ]
        if any(not item.auction.for_sale or item.quantity < 1 for item in items):
            return None
        order = self._new_order(items)
        # Keys that lie at Eneba go first, without a word to the seller.
        if all(len(item.auction.on_hand) >= item.quantity for item in items):
            return self._sell_on_hand(order, items)
        if any(item.auction.listing.quantity < item.quantity for item in items):
            return None
        _hold(items)
        if not await self._reserve(order, items):
            _give_back(items)
            return None
        self.orders[order.order_ref] = order
        if abandon:
            self.later(lambda: self._take_back(order), self.terms.abandon_after_seconds)
            return order
        self.later(lambda: self._provide(order, items), self.terms.payment_seconds)
        return order

    async def refund(self, order_ref: OrderRef) -> None:
        """The order fails after it was delivered: money goes back and the seller is sent a CANCEL."""
        self._return_money(order_ref)
        self._send_cancel(order_ref)

    def return_unseen(self, order_ref: OrderRef) -> None:
        """The buyer gives back codes that were never displayed: Eneba keeps them and sells them again."""
        order = self.orders[order_ref]
        self._return_money(order_ref)
        self._items[order_ref][0].auction.on_hand.extend(order.codes)

    def _new_order(self, items: Sequence[_Item]) -> SandboxOrder:
        order_ref = OrderRef(str(uuid.UUID(int=self.random.getrandbits(128), version=4)))
        self._items[order_ref] = items
        return SandboxOrder(
            order_ref=order_ref,
            listing_ref=items[0].auction.listing.listing_ref,
            quantity=sum(item.quantity for item in items),
            unit_price_minor=items[0].price_minor,
        )

    def _sell_on_hand(self, order: SandboxOrder, items: Sequence[_Item]) -> SandboxOrder:
        self.orders[order.order_ref] = order
        for item in items:
            order.codes += [item.auction.on_hand.pop(0) for _ in range(item.quantity)]
            item.auction.listing.sold += item.quantity
        order.state = SandboxOrderState.DELIVERED
        self._book_sale(order)
        return order

    async def _take_back(self, order: SandboxOrder) -> None:
        order.state = SandboxOrderState.CANCELLED
        _give_back(self._items[order.order_ref])
        self._send_cancel(order.order_ref)

    # The conversation with the seller.

    async def _reserve(self, order: SandboxOrder, items: Sequence[_Item]) -> bool:
        body: dict[str, Json] = {
            "action": "RESERVE",
            "orderId": order.order_ref,
            "originalOrderId": None,
            "wholesale": False,
            "auctions": [self._auction_of_order(item) for item in items],
        }
        result = await self._attempt(CallbackType.RESERVATION, order, body)
        for item in items:
            item.auction.health.note(RESERVATION, completed=result.failure is None)
        if result.failure is not None and self.terms.cancels_failed_reservations:
            self._send_cancel(order.order_ref)
        return result.failure is None

    def _auction_of_order(self, item: _Item) -> Json:
        net_minor = item.price_minor - self.terms.commission_minor(item.price_minor)
        return {
            "auctionId": item.auction.listing.listing_ref,
            "keyCount": item.quantity,
            "price": self._money_text(item.price_minor),
            "originalPrice": self._money_text(item.price_minor),
            "priceWithoutCommission": self._money_text(net_minor),
            "campaignFee": None,
            "substituteAuctionFee": None,
            "extraInfo": "{}",
        }

    def _money_text(self, amount_minor: int) -> Json:
        return {"amount": str(amount_minor), "currency": self.currency}

    async def _provide(self, order: SandboxOrder, items: Sequence[_Item]) -> None:
        order.state = SandboxOrderState.PAID
        body: dict[str, Json] = {"action": "PROVIDE", "orderId": order.order_ref}
        seller_failed = False
        for attempt in range(_PROVIDE_ATTEMPTS):
            if attempt:
                await asyncio.sleep(self.terms.provide_retry_seconds)
            result = await self._attempt(CallbackType.PROVISION, order, body)
            if result.failure is None:
                return self._delivered(order, items, result.codes)
            seller_failed = seller_failed or not result.by_fault
        return self._undelivered(order, items, seller_failed=seller_failed)

    def _delivered(self, order: SandboxOrder, items: Sequence[_Item], codes: Sequence[str]) -> None:
        self.receive_codes(order, codes)
        self._book_sale(order)
        for item in items:
            item.auction.health.note(PROVISION, completed=True)
            item.auction.listing.held -= item.quantity
            item.auction.listing.sold += item.quantity

    def _undelivered(self, order: SandboxOrder, items: Sequence[_Item], *, seller_failed: bool) -> None:
        """The order is cancelled and the seller pays the commission, whoever's fault it was.

        Only what the seller could have prevented counts as oversold.
        """
        order.oversold = seller_failed
        order.state = SandboxOrderState.CANCELLED if seller_failed else SandboxOrderState.REFUNDED
        for item in items:
            fee = self.terms.commission_minor(item.price_minor) * item.quantity
            self.books.ledger.book("AUCTION_UNFULFILLED_SALE_FEE", fee)
            item.auction.health.note(PROVISION, completed=False)
            item.auction.disabled = item.auction.disabled or item.auction.health.to_be_disabled
            item.auction.listing.held -= item.quantity
        self._send_cancel(order.order_ref)

    def _send_cancel(self, order_ref: OrderRef) -> None:
        self.send_callback(lambda: self._cancel(order_ref))

    async def _cancel(self, order_ref: OrderRef) -> None:
        body: dict[str, Json] = {"action": "CANCEL", "orderId": order_ref}
        for attempt in range(_CANCEL_ATTEMPTS):
            if attempt:
                await asyncio.sleep(self.terms.cancel_retry_seconds)
            result = await self._post(CallbackType.CANCELLATION, order_ref, body)
            if self.faults.strikes(Fault.LOST_REPLY):
                continue
            self.results.append(result)
            if result.failure is None:
                return

    async def _attempt(
        self, kind: CallbackType, order: SandboxOrder, body: dict[str, Json]
    ) -> CallbackResult:
        """Ask the seller once, through the faults that a question can meet on its way and back."""
        lost = CallbackResult(kind, order.order_ref, None, "lost on the way", by_fault=True)
        if self.faults.strikes(Fault.CALLBACK_LOST):
            self.results.append(lost)
            return lost
        if self.faults.strikes(Fault.CALLBACK_LATE):
            await asyncio.sleep(self.terms.late_seconds)
        if self.faults.strikes(Fault.CALLBACK_DOUBLED):
            self.later(lambda: self._ask_aside(kind, order, body))
        if self.faults.strikes(Fault.CALLBACK_REORDERED):
            # A copy of this question overtaken by what comes after it.
            self.later(lambda: self._ask_aside(kind, order, body), self.terms.late_seconds)
        result = await self._post(kind, order.order_ref, body)
        if self.faults.strikes(Fault.LOST_REPLY):
            self._note_unread(order, result)
            result = lost
        self.results.append(result)
        return result

    async def _ask_aside(self, kind: CallbackType, order: SandboxOrder, body: dict[str, Json]) -> None:
        """Send a copy whose answer decides nothing; the codes in it are still compared."""
        self._note_unread(order, await self._post(kind, order.order_ref, body))

    def _note_unread(self, order: SandboxOrder, result: CallbackResult) -> None:
        """Remember codes that did leave the seller though the order does not move by them."""
        if not result.codes:
            return
        if order.received and result.codes != order.received[0]:
            self._duplicates += 1
        order.received.append(result.codes)
        for code in result.codes:
            self._duplicates += self._owner_of_code.setdefault(code, order.order_ref) != order.order_ref

    async def _post(self, kind: CallbackType, order_ref: OrderRef, body: dict[str, Json]) -> CallbackResult:
        callback = next((known for known in reversed(self.books.callbacks) if known.type is kind), None)
        if callback is None:
            return CallbackResult(kind, order_ref, None, "no callback of this type is registered")
        assert self.client is not None, "the sandbox is running"
        try:
            async with self.client.post(
                callback.url,
                data=dump_json(body),
                headers={
                    "Authorization": f"Bearer {callback.authorization}",
                    "Content-Type": "application/json",
                },
                timeout=aiohttp.ClientTimeout(total=self.terms.callback_timeout_seconds),
                allow_redirects=False,
            ) as response:
                return self._judge(kind, order_ref, response.status, await response.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return CallbackResult(kind, order_ref, None, f"failed_request: {type(error).__name__}")

    def _judge(self, kind: CallbackType, order_ref: OrderRef, status: int, body: bytes) -> CallbackResult:
        if status != 200:
            return CallbackResult(kind, order_ref, status, f"failed_request: [{status}]")
        if kind is CallbackType.CANCELLATION:
            return CallbackResult(kind, order_ref, status, None)
        action = "RESERVE" if kind is CallbackType.RESERVATION else "PROVIDE"
        try:
            answer = parse_json(body, "callback")
            codes = self._read_answer(action, order_ref, answer)
        except (ProtocolBroken, _BadAnswer) as error:
            return CallbackResult(kind, order_ref, status, f"invalid_callback_response: {error}")
        return CallbackResult(kind, order_ref, status, None, codes=codes)

    def _read_answer(self, action: str, order_ref: OrderRef, answer: Json) -> tuple[str, ...]:
        if not isinstance(answer, dict) or answer.get("action") != action:
            raise _BadAnswer('missing "action" field')
        if answer.get("orderId") != order_ref:
            raise _BadAnswer("another order")
        if answer.get("success") is not True:
            raise _BadAnswer("the seller said no")
        return self._read_codes(order_ref, answer.get("auctions")) if action == "PROVIDE" else ()

    def _read_codes(self, order_ref: OrderRef, auctions: Json) -> tuple[str, ...]:
        keys_of = {
            entry.get("auctionId"): entry.get("keys")
            for entry in (auctions if isinstance(auctions, list) else [])
            if isinstance(entry, dict)
        }
        codes: list[str] = []
        for item in self._items[order_ref]:
            keys = keys_of.pop(item.auction.listing.listing_ref, None)
            if not isinstance(keys, list) or len(keys) != item.quantity:
                raise _BadAnswer("wrong number of keys")
            codes += [_read_key(key) for key in keys]
        if keys_of:
            raise _BadAnswer("keys of an auction that was not ordered")
        return tuple(codes)

    # Money.

    def _book_sale(self, order: SandboxOrder) -> None:
        for item in self._items[order.order_ref]:
            self._book_pieces(order.order_ref, item, sold=True)

    def _return_money(self, order_ref: OrderRef) -> None:
        order = self.orders[order_ref]
        assert order.state is SandboxOrderState.DELIVERED, "only a delivered order is refunded"
        order.state = SandboxOrderState.REFUNDED
        for item in self._items[order_ref]:
            self._book_pieces(order_ref, item, sold=False)

    def _book_pieces(self, order_ref: OrderRef, item: _Item, *, sold: bool) -> None:
        """A sale and its commission for each piece, or the exact reverse."""
        number = self.books.order_number(order_ref)
        for _ in range(item.quantity):
            self.books.ledger.book("SALE", item.price_minor, incoming=sold, order_number=number)
            self.books.ledger.book("FEE", self.terms.commission_minor(item.price_minor), incoming=not sold)


class _BadAnswer(Exception):
    """The seller's answer is not what the protocol asks for."""


def _read_key(key: Json) -> str:
    value = key.get("value") if isinstance(key, dict) else None
    if not isinstance(key, dict) or not isinstance(value, str) or not value:
        raise _BadAnswer("a key without a value")
    if key.get("type") == "TEXT":
        return value
    if key.get("type") != "IMAGE" or not isinstance(key.get("filename"), str):
        raise _BadAnswer("a key of unknown type, or an image without a file name")
    try:
        base64.b64decode(value, validate=True)
    except binascii.Error:
        raise _BadAnswer("an image that is not base64") from None
    return value


def _hold(items: Sequence[_Item]) -> None:
    for item in items:
        item.auction.listing.quantity -= item.quantity
        item.auction.listing.held += item.quantity


def _give_back(items: Sequence[_Item]) -> None:
    for item in items:
        item.auction.listing.quantity += item.quantity
        item.auction.listing.held -= item.quantity
