"""Moves offers, orders and codes between consignd and one Kinguin seller account."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Sequence
from typing import ClassVar, Self

import structlog
from pydantic import ValidationError

from connectors.kinguin.client import WEBHOOK_HEADER, KinguinClient, Uploaded
from connectors.kinguin.models import CURRENCY, Event, Reservation, ReservationEvent
from connectors.kinguin.options import KinguinOptions
from connectors.kinguin.sweep import Sweep, read_cursor
from connectors.kinguin.writing import key_body, price_part, stock_part
from connectors.kit.abilities import (
    DeliversCodes,
    ListsOffers,
    PublishesOffers,
    PullsOrders,
    QuotesFees,
    ReceivesCallbacks,
    RegistersCallbacks,
)
from connectors.kit.connector import Account, Connector, read_options
from connectors.kit.errors import (
    CallbackRefused,
    ChannelDown,
    ChannelError,
    ChannelRefused,
    OptionsRefused,
    OutcomeUnknown,
    SlowDown,
    TryLater,
)
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
    OrderPage,
    OrdersTold,
)
from connectors.kit.traits import Contract, Penalty, RateLimit, Traits
from core.money.money import Money
from core.types import ListingRef, OfferWanted, OrderRef, PriceBasis

_EVENTS = ("reserve", "give", "cancel", "delivered", "outofstock", "returned", "reversed", "refunded")
_OTHER_EVENTS = ("offerblocked",)
_AT_ONCE = 8
_BUSY_SECONDS = 3.0

_log = structlog.get_logger()


class Kinguin(
    Connector[KinguinOptions],
    PublishesOffers,
    ListsOffers,
    PullsOrders,
    ReceivesCallbacks,
    RegistersCallbacks,
    DeliversCodes,
    QuotesFees,
):
    """A seller account at Kinguin, selling by declared stock.

    One reservation is one key and becomes one order with one line of one piece: order_ref is the
    reservation's id, listing_ref the offer's.
    """

    title: ClassVar[str] = "Kinguin"
    offers_per_call: ClassVar[int] = 48
    traits: ClassVar[Traits] = Traits(
        contract=Contract.UPLOADED,
        written_price=PriceBasis.NET,
        # Reads may be twice as many; one budget for both keeps well within.
        rate_limit=RateLimit(requests=2_000, per_seconds=60.0),
        reservation_is_authoritative=False,
        deliver_within_seconds=900,
        free_price_changes_per_day=3,
        largest_quantity=500,
        delivery_lowers_quantity=True,
        currency=CURRENCY,
        penalties=(
            Penalty(
                what="paid reservations without a key after 15 minutes",
                threshold="1 reservation",
                window_seconds=900,
                consequence="the order is cancelled, a Cancel_Out_of_Stock fee may be charged",
            ),
        ),
    )

    def __init__(self, account: Account, options: KinguinOptions) -> None:
        super().__init__(account, options)
        self._client = KinguinClient(account.channel, self.http, options)

    @classmethod
    def open(cls, account: Account) -> Self:
        """Make the connector; Kinguin knows no currency but the euro."""
        if account.currency != CURRENCY:
            raise OptionsRefused(
                f"channels.{account.channel}.currency: Kinguin pays in EUR only, "
                f"write EUR instead of {account.currency}"
            )
        return cls(account, read_options(account, KinguinOptions))

    async def check_account(self) -> str:
        """Ask for one offer."""
        count = (await self._client.offers(0, size=1)).about.total_elements
        return "Kinguin seller account" if count is None else f"Kinguin seller account, {count} offers"

    # Offers.

    async def publish_offers(self, offers: Sequence[OfferWanted]) -> Sequence[OfferResult]:
        """Write each offer by a PATCH of its own, a few at a time."""
        results: list[OfferResult] = []
        for start in range(0, len(offers), _AT_ONCE):
            if any(result.status is OfferStatus.TRY_LATER for result in results):
                # Kinguin wants fewer requests, or none: the rest waits as well.
                after_seconds = max(result.after_seconds for result in results)
                rest = offers[start:]
                return results + [
                    _later(offer, "not sent, the channel pauses", after_seconds) for offer in rest
                ]
            written = await asyncio.gather(
                *map(self._publish, offers[start : start + _AT_ONCE]), return_exceptions=True
            )
            for result in written:
                if isinstance(result, BaseException):
                    raise result
                results.append(result)
        return results

    async def _publish(self, offer: OfferWanted) -> OfferResult:
        try:
            refusals = await self._write(offer)
        except ChannelRefused as refused:
            return OfferResult(offer.listing_ref, OfferStatus.REFUSED, str(refused))
        except (SlowDown, ChannelDown) as error:
            return _later(offer, str(error), error.after_seconds)
        except TryLater as error:
            return OfferResult(offer.listing_ref, OfferStatus.UNKNOWN, str(error), error.after_seconds)
        status = OfferStatus.REFUSED if refusals else OfferStatus.PUBLISHED
        return OfferResult(offer.listing_ref, status, "; ".join(refusals))

    async def _write(self, offer: OfferWanted) -> list[str]:
        """Write what changed; returns what Kinguin refused of it.

        A refused price must not hold back a stop or a smaller quantity, nor a refused quantity a higher
        price: what is refused together is written apart.
        """
        stock, price = stock_part(offer, self.options.image_offers), price_part(offer)
        try:
            await self._client.change_offer(offer.listing_ref, {**stock, **price})
        except ChannelRefused as refused:
            if refused.status != 400 or not price:
                raise
        else:
            return []
        refusals: list[str] = []
        for part in (stock, price):
            try:
                await self._client.change_offer(offer.listing_ref, part)
            except ChannelRefused as refused:
                refusals.append(str(refused))
        return refusals

    async def list_offers(self, cursor: str | None) -> OfferPage:
        """A page of offers; the cursor is the page's number."""
        number = int(cursor or 0)
        page = await self._client.offers(number)
        following = str(number + 1) if page.has_next(number) else None
        return OfferPage([offer.observed() for offer in page.offers], following)

    async def quote_fee(self, listing_ref: ListingRef, price: Money, basis: PriceBasis) -> FeeQuote:
        """Ask the calculator; of the gross prices that leave us the same net it names the lowest."""
        assert price.currency == CURRENCY, "this channel's account is in EUR"
        product_ref = (await self._client.offer(listing_ref)).product_id
        if basis is PriceBasis.GROSS:
            sums = await self._client.calculate(product_ref, price=price.amount_minor)
        else:
            sums = await self._client.calculate(product_ref, priceIWTR=price.amount_minor)
        return FeeQuote(Money(sums.price, CURRENCY), Money(sums.price_iwtr, CURRENCY))

    # Orders.

    async def pull_orders(self, cursor: str | None) -> OrderPage:
        """Reservations that are new, open, just closed or refunded."""
        now = self.account.now()
        was = read_cursor(cursor, now, self.options.first_pull_hours)
        return await Sweep(self._client, self.options, was, now).run()

    async def register_callbacks(self, callback_url: str) -> None:
        """Have every event about a reservation sent to one address."""
        await self._client.subscribe(dict.fromkeys((*_EVENTS, *_OTHER_EVENTS), callback_url))

    def verify_callback(self, request: CallbackRequest) -> None:
        """Compare the one header that Kinguin sends back; there is no signature."""
        shown = request.headers.get(WEBHOOK_HEADER, "").encode(errors="replace")
        wanted = self.options.webhook_token.get_secret_value().encode()
        if not hmac.compare_digest(shown, wanted):
            raise CallbackRefused(f"the header {WEBHOOK_HEADER} is missing or not ours")

    def parse_callback(self, request: CallbackRequest) -> Callback:
        """Read the reservation; its status says all, whichever event brought it."""
        try:
            event = Event.model_validate_json(request.body)
            if event.reservation_id is None:
                if event.block is not None:
                    _log.warning("kinguin.offer_blocked", channel=self.account.channel)
                return Nothing()
            told = ReservationEvent.model_validate_json(request.body)
        except ValidationError as error:
            raise CallbackRefused(f"not a webhook of Kinguin: {error.error_count()} problems", 400) from None
        order = told.order()
        if order is None:
            _log.info("kinguin.status_ignored", channel=self.account.channel, order_ref=told.reservation_id)
            return Nothing()
        return OrdersTold([order])

    # Delivery.

    async def deliver_codes(self, delivery: Delivery) -> None:
        """Upload the one code of a reservation."""
        [line] = delivery.lines
        [code] = line.codes
        body, mime_type = key_body(code)
        uploaded = await self._client.upload(line.listing_ref, delivery.order_ref, body, mime_type)
        match uploaded:
            case Uploaded.TAKEN | Uploaded.TAKEN_BEFORE:
                return
            case Uploaded.BUSY:
                raise TryLater(f"reservation {delivery.order_ref} is being processed", _BUSY_SECONDS)
            case Uploaded.TEXT_ONLY:
                raise ChannelRefused(f"offer {line.listing_ref} takes text codes only", 400)
            case Uploaded.UNCLEAR:
                raise OutcomeUnknown(f"reservation {delivery.order_ref}: 409 for a reason not known")
            case Uploaded.NOT_TAKEN:
                await self._accept_if_delivered(delivery.order_ref)

    async def _accept_if_delivered(self, order_ref: OrderRef) -> None:
        """Kinguin says "already processed" of the sold and of the cancelled; only the sold have a code."""
        try:
            reservation = await self._client.reservation(order_ref)
        except ChannelError as error:
            raise OutcomeUnknown(
                f"reservation {order_ref}: not taken, and its status unread ({error})"
            ) from None
        if reservation is not None and reservation.was_released:
            return
        raise ChannelRefused(f"reservation {order_ref} is unknown or takes no code any more", 400)

    async def find_delivery(self, order_ref: OrderRef, attempt_key: str) -> DeliveryFound:
        """Read the reservation: what has been released has a code, from whichever attempt."""
        return _found(await self._client.reservation(order_ref))


def _found(reservation: Reservation | None) -> DeliveryFound:
    if reservation is None:
        return DeliveryFound.UNKNOWN
    if reservation.was_released:
        return DeliveryFound.DELIVERED
    empty = reservation.status in ("BUYING", "BOUGHT", "OUT_OF_STOCK", "CANCELED")
    return DeliveryFound.NOT_DELIVERED if empty else DeliveryFound.UNKNOWN


def _later(offer: OfferWanted, detail: str, after_seconds: float) -> OfferResult:
    return OfferResult(offer.listing_ref, OfferStatus.TRY_LATER, detail, after_seconds)
