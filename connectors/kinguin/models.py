"""Decides how Kinguin's JSON reads, and what its reservation statuses mean to us."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from connectors.kit.errors import ProtocolBroken
from connectors.kit.http import HttpReply
from core.money.money import Money
from core.types import (
    ChannelOrder,
    LineRef,
    ListingRef,
    OfferObserved,
    OrderLine,
    OrderRef,
    Payment,
)

CURRENCY = "EUR"
# The statuses of reservations that can still move.
OPEN = ("BUYING", "BOUGHT", "OUT_OF_STOCK")
# The statuses of reservations whose buyer got the money back after delivery.
TAKEN_BACK = ("REFUNDED", "RETURNED", "REVERSED")

_PAYMENTS = {
    "BUYING": Payment.PENDING,
    "BOUGHT": Payment.PAID,
    "OUT_OF_STOCK": Payment.PAID,
    "DELIVERED": Payment.PAID,
    "CANCELED": Payment.CANCELLED,
    **dict.fromkeys(TAKEN_BACK, Payment.REFUNDED),
}

# No price of theirs comes near; what is beyond is not a price.
_Cents = Annotated[int, Field(ge=0, le=10**9)]
_Ref = Annotated[str, Field(min_length=1, max_length=200)]


class Wire(BaseModel):
    """A JSON object of Kinguin's; fields we do not use are skipped, those we use are strictly typed."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, alias_generator=to_camel)


WireT = TypeVar("WireT", bound=Wire)


def read(reply: HttpReply, model: type[WireT]) -> WireT:
    """Read a reply's body; ProtocolBroken names the fields that are not as promised, never their content."""
    try:
        return model.model_validate_json(reply.body)
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False)
        fields = ", ".join(sorted({".".join(map(str, problem["loc"])) or "body" for problem in problems}))
        raise ProtocolBroken(f"{reply.where}: not as promised: {fields}") from None


class Price(Wire):
    """Euro cents."""

    amount: _Cents
    currency: Literal["EUR"]

    def money(self) -> Money:
        """The amount as ours."""
        return Money(self.amount, self.currency)


class Token(Wire):
    """An access token."""

    model_config = ConfigDict(alias_generator=None)

    access_token: Annotated[str, Field(min_length=1, repr=False)]
    expires_in: Annotated[int, Field(ge=0)] = 3600


class Refusal(Wire):
    """The body of an error; the message is the only thing that tells two refusals of one status apart."""

    message: str = ""


class Offer(Wire):
    """An offer as it is read: `price` is the buyer's price here, unlike on write."""

    id: _Ref
    product_id: _Ref
    name: str | None = None
    status: str
    block: str | None = None
    price: Price
    price_iwtr: Price | None = Field(default=None, alias="priceIWTR")
    available_stock: int = 0
    reserved_stock: int = 0
    buyable_stock: int = 0

    def observed(self) -> OfferObserved:
        """What the offer shows of what we declared.

        Keys that lie at Kinguin are sold by Kinguin without us, so they are no part of our promise.
        """
        return OfferObserved(
            listing_ref=ListingRef(self.id),
            quantity=max(0, self.buyable_stock - self.available_stock),
            price=self.price.money(),
            on=self.status == "ACTIVE" and self.block is None,
            sku_ref=self.product_id,
            title=self.name,
            held=self.reserved_stock,
            net_price=self.price_iwtr.money() if self.price_iwtr else None,
        )


class _PageBlock(Wire):
    total_pages: int | None = None
    total_elements: int | None = None


class _Embedded(Wire):
    offer_list: list[Offer] = []


class OfferList(Wire):
    """A page of offers, in either of the two forms that are documented."""

    embedded: _Embedded | None = Field(default=None, alias="_embedded")
    content: list[Offer] = []
    page: _PageBlock | None = None
    metadata: _PageBlock | None = None

    @property
    def offers(self) -> list[Offer]:
        """The offers of the page; a page without any has no `_embedded`."""
        return self.embedded.offer_list if self.embedded else self.content

    @property
    def about(self) -> _PageBlock:
        """What the page says of the whole list."""
        return self.page or self.metadata or _PageBlock()

    def has_next(self, number: int) -> bool:
        """Whether there is a page after this one; without a total the list ends with an empty page."""
        pages = self.about.total_pages
        return bool(self.offers) if pages is None else number + 1 < pages


class Reservation(Wire):
    """One key that one buyer wants."""

    id: _Ref
    offer_id: _Ref
    status: str
    price: Price
    created_date: AwareDatetime
    released_date: AwareDatetime | None = None
    released_stock_id: str | None = None

    @property
    def was_released(self) -> bool:
        """Whether a key of any origin has been given to the buyer."""
        delivered = self.status in ("DELIVERED", "RETURNED", "REFUNDED")
        return delivered or self.released_date is not None or self.released_stock_id is not None

    def order(self) -> ChannelOrder | None:
        """The reservation as an order; None while its status is none of those we sell by."""
        payment = _PAYMENTS.get(self.status)
        if payment is None:
            return None
        return _order(self.id, self.offer_id, self.price, payment, self.created_date, self.status)


class ReservationList(Wire):
    """A page of reservations."""

    content: list[Reservation] = []
    total_pages: int | None = None

    def has_next(self, number: int) -> bool:
        """Whether there is a page after this one."""
        return bool(self.content) if self.total_pages is None else number + 1 < self.total_pages


class Event(Wire):
    """A webhook; those without a reservation are not about an order."""

    reservation_id: _Ref | None = None
    block: str | None = None


class ReservationEvent(Wire):
    """A webhook about a reservation."""

    reservation_id: _Ref
    offer_id: _Ref
    status: str
    price: Price
    updated_at: AwareDatetime
    available_stock: int = 0

    def order(self) -> ChannelOrder | None:
        """The reservation as an order; None for a status that we do not sell by.

        While Kinguin has keys of its own it serves the buyer from them, and says OUT_OF_STOCK if it
        could not: until then there is nothing for us to deliver.
        """
        payment = _PAYMENTS.get(self.status)
        if payment is None:
            return None
        if self.status == "BOUGHT" and self.available_stock > 0:
            payment = Payment.PENDING
        return _order(self.reservation_id, self.offer_id, self.price, payment, self.updated_at, self.status)


def _cents(value: object) -> object:
    """Take an amount out of {amount, currency}: the calculator is documented with and without."""
    return value.get("amount") if isinstance(value, dict) else value


class Calculation(Wire):
    """Both sides of a price by Kinguin's own sum."""

    price: Annotated[_Cents, BeforeValidator(_cents)]
    price_iwtr: Annotated[_Cents, BeforeValidator(_cents)] = Field(alias="priceIWTR")


class _Header(Wire):
    name: str
    value: str = Field(repr=False)


class Subscription(Wire):
    """Where each webhook goes, and the headers that prove it."""

    endpoints: dict[str, str] = {}
    headers: list[_Header] = []

    def sends(self, endpoints: dict[str, str], header: str, value: str) -> bool:
        """Whether these endpoints and this header are in force."""
        proved = any(each.name.lower() == header and each.value == value for each in self.headers)
        return proved and endpoints.items() <= self.endpoints.items()


def wire_time(at: datetime) -> str:
    """A time as Kinguin's filters take it: milliseconds and +0000."""
    at = at.astimezone(UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}+0000"


def _order(
    ref: str, offer_ref: str, price: Price, payment: Payment, at: datetime, status: str
) -> ChannelOrder:
    line = OrderLine(LineRef(ref), ListingRef(offer_ref), 1, price.money())
    return ChannelOrder(OrderRef(ref), payment, [line], at, fulfilled=status == "DELIVERED")
