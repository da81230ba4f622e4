"""What passes between the daemon and a connector, beyond the words of core.types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from core.money.money import Money
from core.types import ChannelOrder, LineCodes, ListingRef, OfferObserved, OrderRef


class OfferStatus(StrEnum):
    """What became of one offer in a batch."""

    PUBLISHED = "published"
    REFUSED = "refused"  # final: the channel's rules say no to this content
    TRY_LATER = "try_later"  # not done; the same offer may go again
    UNKNOWN = "unknown"  # perhaps done: publish again, absolute values make that harmless


@dataclass(frozen=True, slots=True)
class OfferResult:
    """The channel's answer for one offer."""

    listing_ref: ListingRef
    status: OfferStatus
    detail: str = ""
    after_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class OfferPage:
    """Some of the account's listings as the channel shows them."""

    offers: Sequence[OfferObserved]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class CompetitorOffer:
    """What a seller asks for the product of one of our listings; own: it is an offer of this account.

    Quantity None: the channel does not tell.
    """

    seller: str
    price: Money
    own: bool = False
    quantity: int | None = None


@dataclass(frozen=True, slots=True)
class Competition:
    """Who sells the product of a listing, in the channel's order; None: it could not be read, and why."""

    listing_ref: ListingRef
    offers: Sequence[CompetitorOffer] | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class OrderPage:
    """Some orders, and the cursor to keep with them."""

    orders: Sequence[ChannelOrder]
    cursor: str
    more: bool = False


@dataclass(frozen=True, slots=True)
class CallbackRequest:
    """A raw HTTP request of the channel; header names in lower case, body byte for byte."""

    method: str
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class CallbackReply:
    """Our answer on the wire. Bodies may carry codes and have no repr."""

    status: int = 200
    body: bytes = field(default=b"", repr=False)
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class OrdersTold:
    """The callback tells of orders; intake takes it from there."""

    orders: Sequence[ChannelOrder]


@dataclass(frozen=True, slots=True)
class ReserveAsked:
    """May this be sold? The order's payment is PENDING."""

    order: ChannelOrder


@dataclass(frozen=True, slots=True)
class ProvideAsked:
    """The order is paid: hand over its codes."""

    order_ref: OrderRef


@dataclass(frozen=True, slots=True)
class CancelAsked:
    """The order will not happen, or is taken back."""

    order_ref: OrderRef


@dataclass(frozen=True, slots=True)
class Nothing:
    """A ping, or an event that changes nothing for us."""


Callback = OrdersTold | ReserveAsked | ProvideAsked | CancelAsked | Nothing


@dataclass(frozen=True, slots=True)
class Delivery:
    """Codes to hand over for one order; the attempt key is the same however often one attempt is repeated."""

    order_ref: OrderRef
    attempt_key: str
    lines: Sequence[LineCodes]


class DeliveryFound(StrEnum):
    """The answer to "do you have our codes for this order?"."""

    DELIVERED = "delivered"
    NOT_DELIVERED = "not_delivered"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class FeeQuote:
    """Both sides of a price by the channel's own sum."""

    gross: Money
    net: Money


class PayoutKind(StrEnum):
    """What a line of the channel's ledger is."""

    SALE = "sale"
    FEE = "fee"
    EDIT_FEE = "edit_fee"
    RELEASE_FEE = "release_fee"
    UNFULFILLED_FEE = "unfulfilled_fee"
    REFUND = "refund"
    WITHDRAWAL = "withdrawal"
    ADJUSTMENT = "adjustment"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class PayoutLine:
    """A line of the channel's ledger; positive amounts are ours."""

    line_ref: str
    kind: PayoutKind
    amount: Money
    booked_at: datetime
    order_ref: OrderRef | None = None
    listing_ref: ListingRef | None = None


@dataclass(frozen=True, slots=True)
class PayoutPage:
    """Some payout lines, and the cursor after them."""

    lines: Sequence[PayoutLine]
    cursor: str
    more: bool = False
