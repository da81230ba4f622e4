"""The abilities a connector may have: it has those that it inherits, and no others.

Each ability is a small abstract class. The daemon asks `isinstance(connector, PullsOrders)` and nothing else;
`abilities_of` names them for people. Every method raises the errors of `connectors.kit.errors`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from connectors.kit.messages import (
    Callback,
    CallbackReply,
    CallbackRequest,
    CancelAsked,
    Competition,
    Delivery,
    DeliveryFound,
    FeeQuote,
    OfferPage,
    OfferResult,
    OrderPage,
    PayoutPage,
    ProvideAsked,
    ReserveAsked,
)
from core.money.money import Money
from core.types import LineCodes, ListingRef, OfferWanted, OrderRef, PriceBasis


class PublishesOffers(ABC):
    """Writes price, quantity and on/off of listings."""

    # The most offers one call takes; the daemon never hands over more.
    offers_per_call: ClassVar[int]

    @abstractmethod
    async def publish_offers(self, offers: Sequence[OfferWanted]) -> Sequence[OfferResult]:
        """Write the offers and say of each what became of it, in the same order.

        An error raised instead of returned holds for all of them. Where the channel works asynchronously,
        return only when the channel has said yes or no, or say UNKNOWN after a bounded wait.
        """


class ListsOffers(ABC):
    """Reads back what the listings show."""

    @abstractmethod
    async def list_offers(self, cursor: str | None) -> OfferPage:
        """One page of the account's own listings; None starts, `next_cursor` None ends."""


class PullsOrders(ABC):
    """Reads orders that are new or changed."""

    @abstractmethod
    async def pull_orders(self, cursor: str | None) -> OrderPage:
        """Orders created or changed since the cursor; reporting one twice is harmless, missing one is not.

        `cursor` is None on the first call ever and otherwise what the last page returned, kept by the daemon
        in the same transaction as the orders.
        """


class ReceivesCallbacks(ABC):
    """Understands what the channel sends to us."""

    @abstractmethod
    def verify_callback(self, request: CallbackRequest) -> None:
        """Raise CallbackRefused unless the raw request is provably the channel's."""

    @abstractmethod
    def parse_callback(self, request: CallbackRequest) -> Callback:
        """What a verified request tells or asks; CallbackRefused (400) if it cannot be read."""


class RegistersCallbacks(ABC):
    """Tells the channel where to send its callbacks."""

    @abstractmethod
    async def register_callbacks(self, callback_url: str) -> None:
        """Make the channel call `callback_url`; harmless when it already does."""


class AnswersReservations(ReceivesCallbacks):
    """The channel asks before it sells, and the codes go back in our reply."""

    @abstractmethod
    def answer_reserve(self, asked: ReserveAsked, *, granted: bool) -> CallbackReply:
        """The reply to a reservation."""

    @abstractmethod
    def answer_provide(self, asked: ProvideAsked, lines: Sequence[LineCodes] | None) -> CallbackReply:
        """The reply that carries the codes; None: we will never have them."""

    @abstractmethod
    def answer_provide_later(self, asked: ProvideAsked) -> CallbackReply:
        """The reply while we do not know yet: the channel is to ask again."""

    @abstractmethod
    def answer_cancel(self, asked: CancelAsked) -> CallbackReply:
        """The reply to a cancellation, which we always accept."""


class DeliversCodes(ABC):
    """Hands codes over in a call of ours."""

    @abstractmethod
    async def deliver_codes(self, delivery: Delivery) -> None:
        """Hand the codes over; returning means the channel has them.

        "Already delivered" by the same attempt or an earlier one is a success. OutcomeUnknown makes the
        daemon ask `find_delivery`; TryLater repeats the same delivery; ChannelRefused is final.
        """

    @abstractmethod
    async def find_delivery(self, order_ref: OrderRef, attempt_key: str) -> DeliveryFound:
        """Whether the channel has codes from us for this order."""


class CancelsOrders(ABC):
    """Gives the buyer the money back when there is nothing to deliver."""

    @abstractmethod
    async def cancel_order(self, order_ref: OrderRef, reason: str) -> None:
        """Cancel and refund a paid order that has not been delivered; harmless when already done."""


class QuotesFees(ABC):
    """Asks the channel's own calculator."""

    @abstractmethod
    async def quote_fee(self, listing_ref: ListingRef, price: Money, basis: PriceBasis) -> FeeQuote:
        """Both sides of a price: what the buyer pays and what we are paid."""


class WatchesCompetitors(ABC):
    """Reads what other sellers ask for the products of our listings."""

    # The most listings one look takes; the daemon never hands over more.
    listings_per_look: ClassVar[int]

    @abstractmethod
    async def watch_competitors(self, listing_refs: Sequence[ListingRef]) -> Sequence[Competition]:
        """Who sells the products of these listings now, one answer a listing, in the same order.

        Only offers that a buyer can buy count. Prices are what buyers pay, in the account's currency. A
        listing of which nothing can be told has `offers` None and says why; an error holds for all of them.
        """


class ReportsPayouts(ABC):
    """Reads the channel's own ledger of our account."""

    @abstractmethod
    async def list_payout_lines(self, cursor: str | None) -> PayoutPage:
        """Lines in the channel's order, oldest first, since the cursor."""


ABILITIES: dict[str, type[ABC]] = {
    "publish offers": PublishesOffers,
    "list offers": ListsOffers,
    "pull orders": PullsOrders,
    "receive callbacks": ReceivesCallbacks,
    "register callbacks": RegistersCallbacks,
    "answer reservations": AnswersReservations,
    "deliver codes": DeliversCodes,
    "cancel orders": CancelsOrders,
    "quote fees": QuotesFees,
    "watch competitors": WatchesCompetitors,
    "report payouts": ReportsPayouts,
}


def abilities_of(connector: type[object]) -> list[str]:
    """The names of the abilities that a connector class inherits, in the order of the table."""
    return [name for name, ability in ABILITIES.items() if issubclass(connector, ability)]
