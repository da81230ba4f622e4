"""Moves a sandbox Kinguin: offers by declared stock, one reservation per key, upload against a deadline."""

from __future__ import annotations

import asyncio
import secrets
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime

from aiohttp import web

from connectors.sandbox.faults import Faults
from connectors.sandbox.kinguin_envoy import Envoy
from connectors.sandbox.kinguin_gate import CLIENT_ID, CLIENT_SECRET, Gate
from connectors.sandbox.kinguin_reading import (
    Refused,
    read_change,
    read_json,
    read_page,
    read_stock,
    wanted_reservations,
)
from connectors.sandbox.kinguin_terms import (
    Body,
    Commission,
    OfferState,
    Reservation,
    event_body,
    offer_body,
    reservation_body,
)
from connectors.sandbox.market import SandboxListing, SandboxMarket, SandboxOrder, SandboxOrderState
from core.types import ListingRef, OrderRef

_API = "/sales-manager-api/api/v1"
_ENVOY = "/envoy2/api/v1"
_BUSY = "Reservation is being proceeded by another action now. Please try again in few seconds."
_NO_SUCH_RESERVATION = "Invalid reservation ID (does not exist or has already been processed)"
_BUSY_SECONDS = 0.05
_WAITING = ("BOUGHT", "OUT_OF_STOCK")

_Handler = Callable[[web.Request], Awaitable[web.Response]]


class KinguinSandbox(SandboxMarket):
    """A Kinguin of its own: it sells what was declared and cancels what was not uploaded in time."""

    name = "kinguin"
    currency = "EUR"

    def __init__(
        self,
        *,
        faults: Faults | None = None,
        seed: int = 0,
        commission: Commission | None = None,
        upload_deadline_seconds: float = 900.0,
        webhook_retry_seconds: float = 300.0,
        webhook_timeout_seconds: float = 10.0,
        pay_after_seconds: float = 0.0,
        upload_seconds: float = 0.0,
        token_seconds: float = 3600.0,
        limit_scale: float = 1.0,
        max_declared_stock: int = 500,
        page_size: int = 100,
    ) -> None:
        super().__init__(faults=faults, seed=seed)
        self.commission = commission or Commission()
        self.offers: dict[ListingRef, OfferState] = {}
        self.reservations: dict[OrderRef, Reservation] = {}
        self.cancel_fees = 0
        self.gate = Gate(token_seconds=token_seconds, limit_scale=limit_scale)
        self.envoy = Envoy(
            self, retry_after_seconds=webhook_retry_seconds, timeout_seconds=webhook_timeout_seconds
        )
        self._webhook_token = secrets.token_urlsafe(24)
        self._upload_deadline_seconds = upload_deadline_seconds
        self._pay_after_seconds = pay_after_seconds
        self._upload_seconds = upload_seconds
        self._max_declared_stock = max_declared_stock
        self._page_size = page_size

    def connection_options(self) -> Mapping[str, object]:
        """The options of a Kinguin channel that speaks to this sandbox."""
        return {
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "webhook_token": self._webhook_token,
            "base_url": f"{self.url}/sales-manager-api",
            "auth_url": f"{self.url}/auth/token",
            "webhooks_url": f"{self.url}{_ENVOY}",
        }

    def routes(self) -> Sequence[web.RouteDef]:
        """The parts of the sales manager's interface that a seller needs."""
        return [
            web.post("/auth/token", self._token),
            web.get(f"{_API}/offers", self._guarded(self._list_offers)),
            web.get(f"{_API}/offers/calculations/priceAndCommission", self._guarded(self._calculate)),
            web.get(f"{_API}/offers/{{offer}}", self._guarded(self._show_offer)),
            web.patch(f"{_API}/offers/{{offer}}", self._guarded(self._change_offer)),
            web.post(f"{_API}/offers/{{offer}}/stock", self._guarded(self._upload)),
            web.get(f"{_API}/reservations", self._guarded(self._list_reservations)),
            web.get(f"{_ENVOY}/subscription", self._guarded(self._show_subscription)),
            web.post(f"{_ENVOY}/subscription", self._guarded(self._make_subscription)),
            web.put(f"{_ENVOY}/subscription", self._guarded(self._change_subscription)),
            web.get(f"{_ENVOY}/requests", self._guarded(self._webhook_history)),
        ]

    # What happens in the marketplace itself.

    def add_listing(
        self, listing_ref: str, sku_ref: str, *, title: str = "", quantity: int = 0, price_minor: int = 0
    ) -> SandboxListing:
        """Put an offer up; its product carries the SKU's name."""
        listing = super().add_listing(
            listing_ref, sku_ref, title=title, quantity=quantity, price_minor=price_minor
        )
        self.offers[listing.listing_ref] = OfferState(listing, product_id=f"product-{sku_ref}")
        return listing

    def edit_by_hand(
        self, listing_ref: ListingRef, *, quantity: int | None = None, price_minor: int | None = None
    ) -> None:
        """Somebody changes the declared stock or the price in the merchant panel."""
        super().edit_by_hand(listing_ref, quantity=quantity, price_minor=price_minor)
        if quantity is not None:
            self.offers[listing_ref].missing = 0

    async def buy(
        self, listing_ref: ListingRef, quantity: int = 1, *, abandon: bool = False
    ) -> SandboxOrder | None:
        """A buyer takes keys: a reservation for each, of which the first is returned."""
        offer = self.offers[listing_ref]
        listing = offer.listing
        if not listing.on or offer.block is not None or quantity < 1 or listing.quantity < quantity:
            return None
        bought = [self._reserve(offer) for _ in range(quantity)]
        for reservation in bought:
            if abandon:
                self._cancel(reservation)
            elif self._pay_after_seconds:
                self.later(self._payment_of(reservation), self._pay_after_seconds)
            else:
                self._pay(reservation)
        return bought[0].order

    async def cancel(self, order_ref: OrderRef) -> None:
        """Whoever wants a reservation cancelled before its key is there."""
        self._cancel(self.reservations[order_ref])

    async def refund(self, order_ref: OrderRef) -> None:
        """The buyer has seen the key, complained, and gets the money back."""
        self._give_back(self.reservations[order_ref], "REFUNDED", "refunded")

    async def reverse(self, order_ref: OrderRef) -> None:
        """The buyer's bank takes the payment back."""
        self._give_back(self.reservations[order_ref], "REVERSED", "reversed")

    async def return_unseen(self, order_ref: OrderRef) -> None:
        """The buyer returns a key never looked at: it goes into the seller's stock at Kinguin."""
        reservation = self.reservations[order_ref]
        self._give_back(reservation, "RETURNED", "returned", announce=False)
        self.offers[reservation.order.listing_ref].put_in_stock(reservation.order.codes[0])
        self._tell("returned", reservation)

    def block(self, listing_ref: ListingRef, reason: str) -> None:
        """Kinguin takes an offer down by itself."""
        offer = self.offers[listing_ref]
        offer.block = reason
        self.envoy.emit("offerblocked", listing_ref, offer_body(offer, self.commission))

    def _reserve(self, offer: OfferState) -> Reservation:
        offer.reserve()
        gross_minor = offer.listing.price_minor
        order = SandboxOrder(OrderRef(str(uuid.uuid4())), offer.listing.listing_ref, 1, gross_minor)
        reservation = Reservation(order, self.commission.net_of(gross_minor), datetime.now(UTC))
        self.orders[order.order_ref] = order
        self.reservations[order.order_ref] = reservation
        self._tell("reserve", reservation)
        return reservation

    def _payment_of(self, reservation: Reservation) -> Callable[[], Awaitable[None]]:
        async def pay() -> None:
            if reservation.status == "BUYING":
                self._pay(reservation)

        return pay

    def _pay(self, reservation: Reservation) -> None:
        """The payment is in: serve from the stock at Kinguin, or ask the seller and watch the clock."""
        reservation.paid = True
        reservation.order.state = SandboxOrderState.PAID
        reservation.move("BOUGHT")
        self._tell("give", reservation)
        available = self.offers[reservation.order.listing_ref].available
        if available:
            key = available.pop(0)
            self._owner_of_code[key] = reservation.order.order_ref
            reservation.order.codes = [key]
            self._deliver(reservation)
            return
        reservation.move("OUT_OF_STOCK")
        self._tell("outofstock", reservation)
        self.later(self._deadline_of(reservation), self._upload_deadline_seconds)

    def _deadline_of(self, reservation: Reservation) -> Callable[[], Awaitable[None]]:
        async def pass_deadline() -> None:
            if reservation.processing:
                self.later(pass_deadline, _BUSY_SECONDS)
            elif reservation.status in _WAITING:
                reservation.order.oversold = True
                self.cancel_fees += 1
                self._cancel(reservation)

        return pass_deadline

    def _cancel(self, reservation: Reservation) -> None:
        reservation.order.state = SandboxOrderState.CANCELLED
        reservation.move("CANCELED")
        self.offers[reservation.order.listing_ref].let_go()
        self._tell("cancel", reservation)

    def _deliver(self, reservation: Reservation) -> None:
        reservation.order.state = SandboxOrderState.DELIVERED
        reservation.released_at = datetime.now(UTC)
        reservation.released_stock_id = reservation.released_stock_id or str(uuid.uuid4())
        reservation.move("DELIVERED")
        self.offers[reservation.order.listing_ref].hand_over()
        self._tell("delivered", reservation)

    def _give_back(self, reservation: Reservation, status: str, event: str, *, announce: bool = True) -> None:
        assert reservation.status == "DELIVERED", "only a delivered key is given back"
        reservation.order.state = SandboxOrderState.REFUNDED
        reservation.move(status)
        if announce:
            self._tell(event, reservation)

    def _tell(self, event: str, reservation: Reservation) -> None:
        offer = self.offers[reservation.order.listing_ref]
        self.envoy.emit(event, reservation.order.order_ref, event_body(reservation, offer, self.commission))

    # The interface.

    def _guarded(self, handler: _Handler) -> _Handler:
        """Let only those in who may come in, and say no as Kinguin does."""

        async def handle(request: web.Request) -> web.Response:
            refusal = self.gate.refusal(request)
            if refusal is not None:
                return refusal
            try:
                return await handler(request)
            except Refused as refused:
                return web.json_response(
                    {"status": refused.status, "message": refused.text}, status=refused.status
                )

        return handle

    async def _token(self, request: web.Request) -> web.Response:
        return self.gate.give_token(await request.post())

    def _offer(self, request: web.Request) -> OfferState:
        offer = self.offers.get(ListingRef(request.match_info["offer"]))
        if offer is None:
            raise Refused(404, "Offer not found")
        return offer

    async def _list_offers(self, request: web.Request) -> web.Response:
        product_id = request.query.get("productId")
        found = [o for o in self.offers.values() if product_id is None or o.product_id == product_id]
        page = read_page(request.query, len(found), self._page_size)
        shown: list[Body] = [offer_body(offer, self.commission) for offer in found[page.part]]
        # Spring leaves `_embedded` out where there is nothing to embed.
        embedded: dict[str, Body] = {"_embedded": {"offerList": shown}} if shown else {}
        return web.json_response({**embedded, "page": page.body()})

    async def _show_offer(self, request: web.Request) -> web.Response:
        return web.json_response(offer_body(self._offer(request), self.commission))

    async def _change_offer(self, request: web.Request) -> web.Response:
        """Change all that was sent, or nothing of it."""
        offer = self._offer(request)
        change = read_change(await read_json(request), offer, self.commission, self._max_declared_stock)
        if change.gross_minor is not None and change.gross_minor != offer.listing.price_minor:
            offer.listing.price_minor = change.gross_minor
            offer.note_price_change(datetime.now(UTC).date())
        if change.declared is not None:
            offer.declare(change.declared)
        if change.text_stock is not None:
            offer.text_stock = change.text_stock
        offer.text_stock = min(offer.text_stock, max(0, offer.declared))
        if change.on is not None:
            offer.listing.on = change.on
        return web.json_response(offer_body(offer, self.commission))

    async def _calculate(self, request: web.Request) -> web.Response:
        query = request.query
        if not any(offer.product_id == query.get("kpcProductId") for offer in self.offers.values()):
            raise Refused(409, "Commission Rule not found")
        if query.get("price", "").isdigit():
            gross_minor = int(query["price"])
        elif query.get("priceIWTR", "").isdigit():
            gross_minor = self.commission.lowest_gross_of(int(query["priceIWTR"]))
        else:
            raise Refused(404, "Commission Price not found")
        return web.json_response(
            {
                "rule": "SandboxBaseCommission",
                "price": gross_minor,
                "priceIWTR": self.commission.net_of(gross_minor),
                "fixedAmount": self.commission.fixed_minor,
                "percentValue": self.commission.percent_bp / 100,
            }
        )

    async def _upload(self, request: web.Request) -> web.Response:
        offer = self._offer(request)
        stock = read_stock(await read_json(request))
        if stock.reservation_ref is None:
            reservation = self._first_waiting(offer)
            if reservation is None:
                offer.put_in_stock(stock.body)
                return _stock_reply(str(uuid.uuid4()), offer, "AVAILABLE")
        else:
            reservation = self.reservations.get(OrderRef(stock.reservation_ref))
        if reservation is None or reservation.order.listing_ref != offer.listing.listing_ref:
            raise Refused(400, _NO_SUCH_RESERVATION)
        await self._upload_to(reservation, stock.body)
        return _stock_reply(reservation.released_stock_id or "", offer, "DISPATCHED")

    def _first_waiting(self, offer: OfferState) -> Reservation | None:
        of_offer = (r for r in self.reservations.values() if r.order.listing_ref == offer.listing.listing_ref)
        return next((r for r in of_offer if r.status in _WAITING and not r.processing), None)

    async def _upload_to(self, reservation: Reservation, key: str) -> None:
        if reservation.processing:
            raise Refused(409, _BUSY)
        if reservation.order.codes:
            # A buyer has a key already; another one for the same buyer is counted against the seller.
            same = reservation.order.codes == [key]
            if reservation.order.received:
                self.receive_codes(reservation.order, [key])
            raise Refused(409, "Stock already uploaded") if same else Refused(400, _NO_SUCH_RESERVATION)
        if reservation.status not in _WAITING:
            raise Refused(400, _NO_SUCH_RESERVATION)
        reservation.processing = True
        try:
            await asyncio.sleep(self._upload_seconds)
            self.receive_codes(reservation.order, [key])
            self._deliver(reservation)
        finally:
            reservation.processing = False

    async def _list_reservations(self, request: web.Request) -> web.Response:
        found = wanted_reservations(request.query, list(self.reservations.values()))
        page = read_page(request.query, len(found), self._page_size)
        shown: list[Body] = [
            reservation_body(r, self.offers[r.order.listing_ref], self.commission) for r in found[page.part]
        ]
        return web.json_response({"content": shown, **page.flat_body()})

    async def _show_subscription(self, request: web.Request) -> web.Response:
        return self.envoy.show()

    async def _make_subscription(self, request: web.Request) -> web.Response:
        return self.envoy.subscribe(await read_json(request), anew=True)

    async def _change_subscription(self, request: web.Request) -> web.Response:
        return self.envoy.subscribe(await read_json(request), anew=False)

    async def _webhook_history(self, request: web.Request) -> web.Response:
        return self.envoy.history()


def _stock_reply(stock_id: str, offer: OfferState, status: str) -> web.Response:
    return web.json_response(
        {
            "id": stock_id,
            "productId": offer.product_id,
            "offerId": offer.listing.listing_ref,
            "status": status,
        }
    )
