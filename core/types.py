"""The words of the trade as types: ids, states, and what passes between core and the connectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NewType

from core.money.money import Money

SkuId = NewType("SkuId", int)
ConsignorId = NewType("ConsignorId", int)
BatchId = NewType("BatchId", int)
ShelfId = NewType("ShelfId", int)
ChannelId = NewType("ChannelId", int)
ListingId = NewType("ListingId", int)
OrderId = NewType("OrderId", int)
BuyerId = NewType("BuyerId", int)
Lane = NewType("Lane", int)

# References are the marketplace's own names for things; we never make them up.
OrderRef = NewType("OrderRef", str)
LineRef = NewType("LineRef", str)
ListingRef = NewType("ListingRef", str)


@dataclass(frozen=True, slots=True)
class Sku:
    """What is sold."""

    sku_id: SkuId
    lane: Lane
    sku_ref: str
    title: str


class OrderState(StrEnum):
    """Where an order stands; the allowed moves are one table in core/orders/lifecycle.py."""

    HELD = "held"  # paid and codes kept, but a person has to look first
    RESERVED = "reserved"  # codes are kept, the buyer has not paid
    ACCEPTED = "accepted"  # paid and codes kept: deliver
    PARKED = "parked"  # paid, but codes are short
    DELIVERING = "delivering"  # an attempt is written down; codes may be out
    UNSURE = "unsure"  # the attempt's outcome is unknown: ask before anything else
    DELIVERED = "delivered"
    REFUSED = "refused"
    RELEASED = "released"  # the reservation ended unpaid; a late payment may still come
    CANCELLED = "cancelled"
    REFUNDED = "refunded"


class PayloadKind(StrEnum):
    """What a code is made of."""

    TEXT = "text"
    IMAGE = "image"
    ACCOUNT = "account"
    LINK = "link"


class Payment(StrEnum):
    """What a marketplace says about an order when it tells us of it."""

    PENDING = "pending"  # keep codes, the buyer has still to pay
    PAID = "paid"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"


class PriceBasis(StrEnum):
    """Whether a price is what the buyer pays or what the channel pays us."""

    GROSS = "gross"
    NET = "net"


class Asked(StrEnum):
    """What a channel counts our failures of."""

    RESERVE = "reserve"  # it asked us to keep codes
    PROVIDE = "provide"  # it asked us for the codes
    DELIVER = "deliver"  # we brought it the codes


class Formula(StrEnum):
    """How a channel weighs failures."""

    LOG_RATIO = "log ratio"  # log(failed) / log(completed); a single failure weighs nothing
    SHARE = "share"  # failed / (failed + completed)
    STREAK = "streak"  # failures in a row


class CountedOver(StrEnum):
    """Whose failures a channel adds up."""

    LISTING = "listing"
    CHANNEL = "channel"


@dataclass(frozen=True, slots=True)
class PenaltyLine:
    """A line that a channel's own sum of our failures must not reach.

    Only outcomes of the last `window_seconds` count; 0: all there ever were. `over` names every sum that the
    channel may be keeping: where nobody knows which it is, both.
    """

    asked: Asked
    formula: Formula
    at: float
    window_seconds: int
    over: tuple[CountedOver, ...] = (CountedOver.LISTING,)


@dataclass(frozen=True, slots=True)
class CodePayload:
    """One code in clear. It never has a repr that shows it, and is never logged."""

    secret: str = field(repr=False)
    number: str | None = field(default=None, repr=False)
    pin: str | None = field(default=None, repr=False)
    kind: PayloadKind = PayloadKind.TEXT
    file_name: str | None = None

    def text(self) -> str:
        """The code as one line for a buyer: number, secret and PIN, those that exist, a space between."""
        return " ".join(part for part in (self.number, self.secret, self.pin) if part)


class MarkKind(StrEnum):
    """What a buyer leaves that may tell him from others."""

    ACCOUNT = "account"  # such as an e-mail address
    ADDRESS = "address"  # of the internet, or of a street
    DEVICE = "device"


@dataclass(frozen=True, slots=True)
class ToldMark:
    """A mark in clear, on its way to become a keyed hash: never shown, logged or stored as it is."""

    kind: MarkKind
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class OrderLine:
    """A line as the marketplace told it: which of its listings, how many, at what price a piece."""

    line_ref: LineRef
    listing_ref: ListingRef
    quantity: int
    unit_price: Money
    # The tax in the price of all its pieces together, where the channel tells.
    tax: Money | None = None


@dataclass(frozen=True, slots=True)
class ChannelOrder:
    """An order as one connector read it, by poll or callback.

    A connector reports every order it sees as often as it sees it; intake makes the repetitions harmless.
    """

    order_ref: OrderRef
    payment: Payment
    lines: Sequence[OrderLine]
    placed_at: datetime
    # How long an unpaid order keeps its codes; None: the connector's declared hold time.
    hold_until: datetime | None = None
    buyer_ref: str | None = None
    # The channel itself says that the buyer already has the codes (it delivered from its own stock).
    fulfilled: bool = False
    # Who brought the buyer, and what he left that tells him from others, where the channel tells.
    referrer: str | None = None
    marks: Sequence[ToldMark] = ()
    # The group that the buyer wants to buy in, by the name that the shop has for it.
    group_ref: str | None = None


@dataclass(frozen=True, slots=True)
class LineCodes:
    """The codes opened for one line of an order."""

    line_ref: LineRef
    listing_ref: ListingRef
    codes: Sequence[CodePayload]


@dataclass(frozen=True, slots=True)
class OfferWanted:
    """What a listing should show. Amounts are minor units of the channel's currency."""

    listing_ref: ListingRef
    quantity: int
    price: Money
    # The same price after the channel's commission, for protocols that are written net.
    net_price: Money
    on: bool
    # Whether price and quantity differ from what the channel last acknowledged: write only what changed.
    price_changed: bool = True
    quantity_changed: bool = True
    # Whether the operator lets us pay for the change of price where no free one is left.
    may_pay: bool = False


@dataclass(frozen=True, slots=True)
class OfferObserved:
    """What a channel shows when it is asked."""

    listing_ref: ListingRef
    quantity: int
    price: Money
    on: bool
    # What we are paid at this price, where the channel shows it; needed where prices are written net.
    net_price: Money | None = None
    sku_ref: str | None = None
    title: str | None = None
    # Units sold or held on the channel that this quantity does not include.
    held: int = 0
    # Price changes that are still free, where the channel tells, and in how many seconds the next one comes.
    free_price_changes: int | None = None
    next_free_change_seconds: int | None = None
