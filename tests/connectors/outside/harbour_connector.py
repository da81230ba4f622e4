"""Speaks Harbour's protocol: it calls us when a key is paid for, then we upload the key."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import ClassVar, Self

from pydantic import AwareDatetime, BaseModel, SecretStr, ValidationError

from connectors.kit.abilities import (
    CancelsOrders,
    DeliversCodes,
    ListsOffers,
    PublishesOffers,
    QuotesFees,
    ReceivesCallbacks,
    RegistersCallbacks,
    ReportsPayouts,
)
from connectors.kit.connector import Account, Connector, Options, read_options
from connectors.kit.errors import CallbackRefused, ChannelRefused, OutcomeUnknown, TryLater
from connectors.kit.http import HttpReply
from connectors.kit.json import Json
from connectors.kit.messages import (
    Callback,
    CallbackRequest,
    Delivery,
    DeliveryFound,
    FeeQuote,
    Nothing,
    OfferPage,
    OfferResult,
    OfferStatus,
    OrdersTold,
    PayoutKind,
    PayoutLine,
    PayoutPage,
)
from connectors.kit.traits import Contract, RateLimit, Traits
from core.errors import InvalidInput
from core.money.money import Money
from core.types import (
    ChannelOrder,
    LineRef,
    ListingRef,
    OfferObserved,
    OfferWanted,
    OrderLine,
    OrderRef,
    Payment,
    PriceBasis,
)

_OLDEST_CALLBACK_SECONDS = 300
_PAYMENTS = {"paid": Payment.PAID, "cancelled": Payment.CANCELLED, "refunded": Payment.REFUNDED}
_KINDS = {"sale": PayoutKind.SALE, "commission": PayoutKind.FEE, "refund": PayoutKind.REFUND}


class HarbourOptions(Options):
    """What the operator writes under `channels.NAME.options`."""

    url: str
    key: SecretStr
    webhook_secret: SecretStr


class Me(BaseModel):
    seller: str


class Offer(BaseModel):
    id: str
    title: str
    stock: int
    gross_minor: int
    visible: bool


class Offers(BaseModel):
    offers: list[Offer]
    after: str | None


class Sale(BaseModel):
    id: str
    offer: str
    pieces: int
    gross_minor: int
    state: str
    paid_at: AwareDatetime
    codes: int


class Event(BaseModel):
    event: str
    sale: Sale | None = None


class Refusal(BaseModel):
    error: str


class Fee(BaseModel):
    gross_minor: int
    net_minor: int


class Booking(BaseModel):
    id: int
    kind: str
    amount_minor: int
    booked_at: AwareDatetime
    sale: str


class Ledger(BaseModel):
    lines: list[Booking]
    more: bool


class Harbour(
    Connector[HarbourOptions],
    PublishesOffers,
    ListsOffers,
    ReceivesCallbacks,
    RegistersCallbacks,
    DeliversCodes,
    CancelsOrders,
    QuotesFees,
    ReportsPayouts,
):
    """One seller at Harbour."""

    title = "Harbour"
    traits = Traits(
        contract=Contract.UPLOADED,
        written_price=PriceBasis.NET,
        rate_limit=RateLimit(requests=100, per_seconds=1.0),
        reservation_is_authoritative=False,
        deliver_within_seconds=900,
    )
    offers_per_call: ClassVar[int] = 10

    @classmethod
    def open(cls, account: Account) -> Self:
        return cls(account, read_options(account, HarbourOptions))

    async def check_account(self) -> str:
        return (await self._call("GET", "/me", safe=True)).read(Me).seller

    async def publish_offers(self, offers: Sequence[OfferWanted]) -> Sequence[OfferResult]:
        return [await self._publish(offer) for offer in offers]

    async def _publish(self, offer: OfferWanted) -> OfferResult:
        """One offer a call: what goes wrong with one must not hide what became of the others."""
        body: dict[str, Json] = {
            "stock": offer.quantity,
            "net_minor": offer.net_price.amount_minor,
            "visible": offer.on,
        }
        try:
            await self._call("PATCH", f"/offers/{offer.listing_ref}", safe=True, json=body)
        except ChannelRefused as error:
            return OfferResult(offer.listing_ref, OfferStatus.REFUSED, str(error))
        except TryLater as error:
            return OfferResult(offer.listing_ref, OfferStatus.TRY_LATER, str(error), error.after_seconds)
        except OutcomeUnknown as error:
            return OfferResult(offer.listing_ref, OfferStatus.UNKNOWN, str(error))
        return OfferResult(offer.listing_ref, OfferStatus.PUBLISHED)

    async def list_offers(self, cursor: str | None) -> OfferPage:
        page = (await self._call("GET", "/offers", safe=True, params={"after": cursor or ""})).read(Offers)
        shown = [
            OfferObserved(
                listing_ref=ListingRef(offer.id),
                quantity=offer.stock,
                price=self._money(offer.gross_minor),
                on=offer.visible,
                title=offer.title,
            )
            for offer in page.offers
        ]
        return OfferPage(shown, page.after)

    async def register_callbacks(self, callback_url: str) -> None:
        await self._call("PUT", "/webhook", safe=True, json={"url": callback_url})

    def verify_callback(self, request: CallbackRequest) -> None:
        sent_at = request.headers.get("x-harbour-time", "")
        signature = request.headers.get("x-harbour-signature", "")
        secret = self.options.webhook_secret.get_secret_value().encode()
        expected = hmac.new(secret, _raw(sent_at) + b"." + request.body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected.encode(), _raw(signature)):
            raise CallbackRefused("the signature is not Harbour's")
        if not self._is_fresh(sent_at):
            raise CallbackRefused(f"the signature is older than {_OLDEST_CALLBACK_SECONDS} seconds")

    def _is_fresh(self, sent_at: str) -> bool:
        try:
            age = self.account.now() - datetime.fromisoformat(sent_at)
        except (ValueError, TypeError):
            return False
        return abs(age.total_seconds()) <= _OLDEST_CALLBACK_SECONDS

    def parse_callback(self, request: CallbackRequest) -> Callback:
        try:
            event = Event.model_validate_json(request.body)
            return OrdersTold([self._order(event.sale)]) if event.sale is not None else Nothing()
        except (ValidationError, InvalidInput):
            raise CallbackRefused("the body is not an event of Harbour's", 400) from None

    async def deliver_codes(self, delivery: Delivery) -> None:
        codes: list[Json] = [code.text() for line in delivery.lines for code in line.codes]
        path = f"/sales/{delivery.order_ref}/codes"
        reply = await self._call("POST", path, safe=False, json={"codes": codes}, accept={409})
        if reply.status == 409 and reply.read(Refusal).error != "has codes":
            raise ChannelRefused(f"{reply.where}: the sale is closed", reply.status)

    async def find_delivery(self, order_ref: OrderRef, attempt_key: str) -> DeliveryFound:
        sale = (await self._call("GET", f"/sales/{order_ref}", safe=True)).read(Sale)
        return DeliveryFound.DELIVERED if sale.codes else DeliveryFound.NOT_DELIVERED

    async def cancel_order(self, order_ref: OrderRef, reason: str) -> None:
        await self._call("DELETE", f"/sales/{order_ref}", safe=True, params={"reason": reason})

    async def quote_fee(self, listing_ref: ListingRef, price: Money, basis: PriceBasis) -> FeeQuote:
        params = {"offer": str(listing_ref), f"{basis.value}_minor": str(price.amount_minor)}
        fee = (await self._call("GET", "/fees", safe=True, params=params)).read(Fee)
        return FeeQuote(self._money(fee.gross_minor), self._money(fee.net_minor))

    async def list_payout_lines(self, cursor: str | None) -> PayoutPage:
        reply = await self._call("GET", "/ledger", safe=True, params={"after": cursor or "0"})
        page = reply.read(Ledger)
        last = str(page.lines[-1].id) if page.lines else cursor or "0"
        return PayoutPage([self._line(line) for line in page.lines], last, page.more)

    async def _call(
        self,
        method: str,
        path: str,
        *,
        safe: bool,
        params: Mapping[str, str] | None = None,
        json: Json = None,
        accept: Collection[int] = (),
    ) -> HttpReply:
        headers = {"X-Harbour-Key": self.options.key.get_secret_value()}
        url = self.options.url.rstrip("/") + path
        return await self.http.request(
            method, url, safe=safe, headers=headers, params=params, json=json, accept=accept
        )

    def _money(self, amount_minor: int) -> Money:
        return Money(amount_minor, self.account.currency)

    def _line(self, line: Booking) -> PayoutLine:
        return PayoutLine(
            line_ref=str(line.id),
            kind=_KINDS.get(line.kind, PayoutKind.OTHER),
            amount=self._money(line.amount_minor),
            booked_at=line.booked_at,
            order_ref=OrderRef(line.sale),
        )

    def _order(self, sale: Sale) -> ChannelOrder:
        line = OrderLine(LineRef("1"), ListingRef(sale.offer), sale.pieces, self._money(sale.gross_minor))
        payment = _PAYMENTS.get(sale.state, Payment.PENDING)
        return ChannelOrder(OrderRef(sale.id), payment, [line], sale.paid_at)


def _raw(header: str) -> bytes:
    """A header's value as it came over the wire, whatever its bytes were."""
    return header.encode("utf-8", "surrogateescape")
