"""Decides how consignd's words become WooCommerce's calls: the connector with its abilities."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import ClassVar, Self

import structlog

from connectors.kit.abilities import (
    CancelsOrders,
    DeliversCodes,
    ListsOffers,
    PublishesOffers,
    PullsOrders,
    ReceivesCallbacks,
    RegistersCallbacks,
)
from connectors.kit.connector import Account, Connector, read_options
from connectors.kit.errors import ChannelError, ChannelRefused, OutcomeUnknown, TryLater
from connectors.kit.json import Json
from connectors.kit.messages import (
    Callback,
    CallbackRequest,
    Delivery,
    DeliveryFound,
    OfferPage,
    OfferResult,
    OfferStatus,
    OrderPage,
)
from connectors.kit.traits import Contract, Penalty, RateLimit, Traits
from connectors.woocommerce import callbacks, notes
from connectors.woocommerce.client import WooClient
from connectors.woocommerce.cursor import next_cursor, read_cursor
from connectors.woocommerce.models import WooOrder, WooProduct
from connectors.woocommerce.offers import (
    NOT_SOLD,
    observed,
    price_text,
    product_ref,
    product_update,
    results_of,
)
from connectors.woocommerce.options import WooCommerceOptions
from connectors.woocommerce.orders import channel_order, is_ours, order_lines, payment_of, remaining_minor
from core.money.money import Money
from core.types import LineRef, ListingRef, OfferObserved, OfferWanted, OrderRef, Payment, PriceBasis

_TOPICS = ("order.created", "order.updated")
_OVER = (Payment.CANCELLED, Payment.REFUNDED)
_NOT_FOUND = 404

_log = structlog.get_logger()


class WooCommerce(
    Connector[WooCommerceOptions],
    PublishesOffers,
    ListsOffers,
    PullsOrders,
    ReceivesCallbacks,
    RegistersCallbacks,
    DeliversCodes,
    CancelsOrders,
):
    """An own shop on WooCommerce, spoken to over REST v3."""

    title: ClassVar[str] = "WooCommerce"
    offers_per_call: ClassVar[int] = 100
    traits: ClassVar[Traits] = Traits(
        contract=Contract.OWN_SHOP,
        written_price=PriceBasis.GROSS,
        # The core has no limit; hosts do. So much a small shop bears.
        rate_limit=RateLimit(requests=20, per_seconds=1.0),
        reservation_is_authoritative=False,
        hold_seconds=3600,
        answer_within_seconds=60.0,
        penalties=(
            Penalty(
                what="webhooks that were not answered with 2xx",
                threshold="more than 5 in a row",
                window_seconds=0,
                consequence="the webhook is disabled without a word; orders then come by polling alone",
            ),
        ),
    )

    def __init__(self, account: Account, options: WooCommerceOptions) -> None:
        super().__init__(account, options)
        self._client = WooClient(self.http, options, account.now)

    @classmethod
    def open(cls, account: Account) -> Self:
        return cls(account, read_options(account, WooCommerceOptions))

    async def check_account(self) -> str:
        currency = await self._client.setting("general", "woocommerce_currency")
        if currency != self.account.currency:
            raise ChannelRefused(
                f"the shop sells in {currency}, channel {self.account.channel} in {self.account.currency}: "
                "give the channel the shop's currency"
            )
        if await self._client.setting("general", "woocommerce_calc_taxes") == "yes":
            await self._check_prices_include_tax()
        return f"{self.options.base_url}, {currency}"

    async def _check_prices_include_tax(self) -> None:
        if await self._client.setting("tax", "woocommerce_prices_include_tax") != "yes":
            raise ChannelRefused(
                "the shop adds tax on top of prices, so buyers would pay more than consignd shows: choose "
                "'Yes, I will enter prices inclusive of tax' in WooCommerce, Settings, Tax"
            )

    # Offers.

    async def publish_offers(self, offers: Sequence[OfferWanted]) -> Sequence[OfferResult]:
        groups = _by_parent(offers)
        results: dict[ListingRef, OfferResult] = {}
        for parent_id, group in groups.items():
            try:
                answers = await self._publish(parent_id, group)
            except TryLater as error:
                if len(groups) == 1:
                    raise
                answers = [_result(each, OfferStatus.TRY_LATER, error) for each in group]
            except ChannelRefused as error:
                answers = [_result(each, OfferStatus.REFUSED, error) for each in group]
            results |= {answer.listing_ref: answer for answer in answers}
        return [results.get(offer.listing_ref) or _malformed(offer) for offer in offers]

    async def _publish(self, parent_id: int | None, offers: Sequence[OfferWanted]) -> list[OfferResult]:
        updates: list[Json] = [
            product_update(offer, ref) for offer in offers if (ref := product_ref(offer.listing_ref))
        ]
        return results_of(offers, await self._client.update_products(parent_id, updates))

    async def list_offers(self, cursor: str | None) -> OfferPage:
        number = int(cursor or "1")
        page = await self._client.products(number)
        offers: list[OfferObserved] = []
        for product in page.items:
            if product.type.startswith("variable"):
                offers += [
                    self._observed(each, product) for each in await self._client.variations(product.id)
                ]
            elif product.type not in NOT_SOLD:
                offers.append(self._observed(product))
        return OfferPage(offers, str(number + 1) if page.more else None)

    def _observed(self, product: WooProduct, parent: WooProduct | None = None) -> OfferObserved:
        return observed(product, self.account.currency, self.traits.largest_quantity, parent)

    # Orders.

    async def pull_orders(self, cursor: str | None) -> OrderPage:
        here = read_cursor(cursor, self.options.orders_from)
        page = await self._client.orders(here.modified_after, here.page)
        modified = [order.date_modified_gmt for order in page.items]
        following = next_cursor(here, modified, more=page.more, overlap=self.options.overlap)
        orders = [channel_order(order, self.options) for order in page.items if is_ours(order, self.options)]
        return OrderPage(orders, str(following), page.more)

    def verify_callback(self, request: CallbackRequest) -> None:
        callbacks.verify(request, self.options.webhook_secret.get_secret_value())

    def parse_callback(self, request: CallbackRequest) -> Callback:
        return callbacks.parse(request, self.options)

    async def register_callbacks(self, callback_url: str) -> None:
        """Have both topics sent to the address, with our secret, and wake what the shop disabled.

        The shop never shows a secret, so it is written each time. A webhook that a person paused stays so.
        """
        secret = self.options.webhook_secret.get_secret_value()
        ours = [hook for hook in await self._client.webhooks() if hook.delivery_url == callback_url]
        for hook in ours:
            if hook.topic not in _TOPICS:
                continue
            if hook.status != "active":
                _log.warning("woocommerce.webhook_not_active", hook_ref=hook.id, status=hook.status)
            status = "active" if hook.status == "disabled" else hook.status
            await self._client.update_webhook(hook.id, status=status, secret=secret)
        for topic in _TOPICS:
            if topic not in {hook.topic for hook in ours}:
                await self._client.create_webhook(topic, callback_url, secret)
                _log.info("woocommerce.webhook_created", topic=topic)

    # Delivery.

    async def deliver_codes(self, delivery: Delivery) -> None:
        """Look, tell the buyer, then complete the order: the note is the delivery, the rest is bookkeeping.

        The note goes first because nothing else may claim a delivery that the buyer has not had. Before it
        the notes are read, so that a repetition finds the note of an attempt that broke off and only
        completes the order. Once the note is out, no failure is reported as "nothing was done".
        """
        order = await self._client.order(delivery.order_ref)
        if not (order.has_our_codes or await self._buyer_was_told(delivery.order_ref)):
            _require_paid(order)
            text = notes.note_text(delivery.lines, _names(order), delivery.attempt_key)
            await self._client.tell_buyer(delivery.order_ref, text)
        try:
            await self._complete(delivery.order_ref, delivery.attempt_key)
        except ChannelError as error:
            raise OutcomeUnknown(f"order {order.id}: the codes are out, not yet completed: {error}") from None

    async def find_delivery(self, order_ref: OrderRef, attempt_key: str) -> DeliveryFound:
        """Our mark on the order or our note to its buyer; a note without the mark is completed on the way.

        UNKNOWN only when the shop has deleted the order: its notes went with it, a person has to look.
        """
        try:
            order = await self._client.order(order_ref)
            told = order.has_our_codes or await self._buyer_was_told(order_ref)
        except ChannelRefused as error:
            if error.status != _NOT_FOUND:
                raise
            return DeliveryFound.UNKNOWN
        if told:
            await self._complete(order_ref, attempt_key)
        return DeliveryFound.DELIVERED if told else DeliveryFound.NOT_DELIVERED

    async def _buyer_was_told(self, order_ref: OrderRef) -> bool:
        return any(notes.is_ours(note) for note in await self._client.notes(order_ref))

    async def _complete(self, order_ref: OrderRef, attempt_key: str) -> None:
        """Mark a delivered order, unless it was taken back meanwhile or carries the mark already.

        The shop cannot be asked to change an order only if nobody else did. So it is looked at right before,
        and again in the answer: where all its money had gone back meanwhile, it is put back to refunded.
        """
        order = await self._client.order(order_ref)
        if payment_of(order.status) in _OVER:
            return
        try:
            if not (order.status == "completed" and order.has_our_codes):
                order = await self._client.complete(order_ref, attempt_key)
            if order.refunds and remaining_minor(order) <= 0:
                await self._client.mark_refunded(order_ref)
        except ChannelRefused as error:
            # The buyer has the codes: that the shop will not mark it is for people, not for a repetition.
            _log.error("woocommerce.not_completed", order_ref=order_ref, problem=str(error))

    # Cancellation.

    async def cancel_order(self, order_ref: OrderRef, reason: str) -> None:
        """Cancel while unpaid, refund what remains once paid; reads first, so a repetition pays nothing."""
        order = await self._client.order(order_ref)
        payment = payment_of(order.status)
        if payment in _OVER:
            return
        if order.has_our_codes or await self._buyer_was_told(order_ref):
            raise ChannelRefused(f"order {order_ref}: its buyer has the codes, it is not cancelled for stock")
        remaining = remaining_minor(order)
        if payment is Payment.PENDING or remaining <= 0:
            await self._client.cancel(order_ref)
            return
        amount = price_text(Money(remaining, order.currency))
        by_gateway = self.options.refund_by_gateway
        await self._client.refund(order_ref, amount, reason, by_gateway=by_gateway)


def _by_parent(offers: Sequence[OfferWanted]) -> dict[int | None, list[OfferWanted]]:
    """The offers by the call that writes them: products together, variations by their product."""
    groups: defaultdict[int | None, list[OfferWanted]] = defaultdict(list)
    for offer in offers:
        ref = product_ref(offer.listing_ref)
        if ref is not None:
            groups[ref.parent_id].append(offer)
    return dict(groups)


def _result(offer: OfferWanted, status: OfferStatus, error: ChannelError) -> OfferResult:
    after_seconds = error.after_seconds if isinstance(error, TryLater) else 0.0
    return OfferResult(offer.listing_ref, status, str(error), after_seconds)


def _malformed(offer: OfferWanted) -> OfferResult:
    detail = f"listing {offer.listing_ref!r}: write a product's id, or product:variation"
    return OfferResult(offer.listing_ref, OfferStatus.REFUSED, detail)


def _require_paid(order: WooOrder) -> None:
    """Refuse unless the money is there; an order that waits for it may yet be paid."""
    payment = payment_of(order.status)
    if payment in _OVER:
        raise ChannelRefused(f"order {order.id} is {order.status}: no codes are sent")
    if payment is Payment.PENDING:
        raise TryLater(f"order {order.id} is {order.status}, not paid", 60.0)


def _names(order: WooOrder) -> dict[LineRef, str]:
    """What the buyer calls each line; both halves of a split line bear its name."""
    return {
        part.line_ref: line.name for line in order.line_items for part in order_lines(line, order.currency)
    }
