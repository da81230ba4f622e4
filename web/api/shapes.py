"""Decides the shapes of what callers send, and of the answers that are not read models."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from core.types import OrderState
from core.views.channels import ChannelView
from core.views.lag import ChannelLag
from core.views.ledger import Balance
from core.views.matrix import MatrixOrder, Trouble
from core.views.orders import MinuteCount, RecentMove, StateCount
from core.views.stock import ListingView
from web.api.route import Shape

Words = Annotated[str, Field(min_length=1, max_length=500)]
Ref = Annotated[str, Field(min_length=1, max_length=200)]
Limit = Annotated[int, Field(ge=1, le=500)]
Currency = Annotated[str, Field(pattern="^[A-Z]{3}$", examples=["EUR"])]
Tag = Annotated[str, Field(min_length=1, max_length=64)]
Amount = Annotated[str, Field(max_length=30, examples=["19.90"], description="decimal number of major units")]


class StockQuery(Shape):
    """Which SKUs to list."""

    text: Annotated[str | None, Field(description="part of reference, title or brand")] = None
    after: Annotated[str, Field(description="`next_after` of the page before")] = ""
    limit: Limit = 50


class NewSkuBody(Shape):
    """A SKU to add; harmless when it is there already."""

    sku_ref: Ref
    title: str = ""
    brand: str = ""
    kind: str = "gift card"
    region: str = ""
    face_value: Amount | None = None
    face_currency: Currency | None = None
    tags: Annotated[tuple[Tag, ...], Field(max_length=50, description="what rules know it by")] = ()


class TagBody(Shape):
    """Tags to give a SKU and to take away."""

    add: Annotated[tuple[Tag, ...], Field(max_length=50)] = ()
    remove: Annotated[tuple[Tag, ...], Field(max_length=50)] = ()
    reason: Words


class MatrixQuery(Shape):
    """Which SKUs the matrix shows, and in which order."""

    text: Annotated[str | None, Field(description="part of reference, title or brand")] = None
    trouble: Annotated[Trouble | Literal["any"] | None, Field(description="what is wrong with a listing")] = (
        None
    )
    channel: str | None = None
    order: MatrixOrder = MatrixOrder.REF
    page: Annotated[int, Field(ge=1, le=100_000)] = 1
    limit: Limit = 50


class PriceBody(Shape):
    """What one code should bring after the channel's commission."""

    amount: Amount
    currency: Currency
    reason: Words


class ListingQuery(Shape):
    """Which listings to list."""

    channel: str | None = None
    after: Annotated[int, Field(ge=0, description="`next_after` of the page before")] = 0
    limit: Limit = 200


class LinkBody(Shape):
    """Which SKU a channel's listing sells."""

    channel: Ref
    listing_ref: Ref
    sku_ref: Ref
    reason: Words


class OrderQuery(Shape):
    """Which orders to list."""

    state: OrderState | None = None
    channel: str | None = None
    sku_ref: str | None = None
    order_ref: str | None = None
    before: Annotated[int | None, Field(ge=0, description="`next_before` of the page before")] = None
    limit: Limit = 50


class LagQuery(Shape):
    """How far back to look."""

    hours: Annotated[int, Field(ge=1, le=336)] = 24


class ReasonBody(Shape):
    """Why; it is kept."""

    reason: Words


class ReplaceBody(Shape):
    """The invalid code, as the order shows its place, and what is wrong with it."""

    place: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$", examples=["0.12.345"])]
    reason: Words


class ImportForm(Shape):
    """What comes with the file; `file` is the last part of the form."""

    sku_ref: Ref
    consignor: Ref
    unit_cost: Amount | None = None
    currency: Currency | None = None
    expires: Annotated[datetime | None, Field(description="expiry of codes whose row has none")] = None
    priority: Annotated[
        int | None, Field(ge=0, le=10_000, description="lower is sold first; left out: the consignor's own")
    ] = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """What was done, in words."""

    done: str


@dataclass(frozen=True, slots=True)
class SkuAnswer:
    """A SKU as it is known."""

    sku_ref: str
    title: str


@dataclass(frozen=True, slots=True)
class TagAnswer:
    """The tags that a SKU has."""

    sku_ref: str
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ListingPage:
    """Listings, and the id to go on after; None: these were the last."""

    listings: tuple[ListingView, ...]
    next_after: int | None


@dataclass(frozen=True, slots=True)
class ListingAnswer:
    """The listing that was linked."""

    listing_id: int


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that was not imported; what it says is never repeated."""

    row: int
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class ImportAnswer:
    """What became of a file; `refusals` holds the first thousand refused rows."""

    batch_id: int | None
    read: int
    imported: int
    refused: dict[str, int]
    refusals: tuple[RefusedRow, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Revealed:
    """A code in clear."""

    place: str
    kind: str
    number: str | None
    secret: str
    pin: str | None


@dataclass(frozen=True, slots=True)
class Replaced:
    """Where the new code stands."""

    place: str


@dataclass(frozen=True, slots=True)
class CodeStanding:
    """A place where the code stood, what took it and how it left."""

    place: str
    order_id: int | None
    line_no: int | None
    channel: str | None
    order_ref: str | None
    state: OrderState | None
    departed: str | None
    departed_at: datetime | None
    departed_reason: str | None
    instead_of: str | None
    replaced_by: str | None


@dataclass(frozen=True, slots=True)
class CodeReveal:
    """A person who was shown the code."""

    at: datetime
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class CodeTrace:
    """The story of a code, without the code."""

    origin: str
    sku_ref: str
    consignor: str
    batch_id: int
    source_name: str
    imported_at: datetime
    imported_by: str
    expires_at: datetime | None
    unit_cost_minor: int | None
    currency: str | None
    custody: str
    standings: tuple[CodeStanding, ...]
    reveals: tuple[CodeReveal, ...]


@dataclass(frozen=True, slots=True)
class ChannelList:
    """All channels."""

    channels: tuple[ChannelView, ...]


@dataclass(frozen=True, slots=True)
class LagList:
    """Seconds from a sale elsewhere to each channel's acknowledgement."""

    lags: tuple[ChannelLag, ...]


@dataclass(frozen=True, slots=True)
class BalanceList:
    """All accounts."""

    balances: tuple[Balance, ...]


@dataclass(frozen=True, slots=True)
class Activity:
    """What happens now: the last moves, what is open, and how many orders came in each minute."""

    moves: tuple[RecentMove, ...]
    open: tuple[StateCount, ...]
    per_minute: tuple[MinuteCount, ...]


@dataclass(frozen=True, slots=True)
class ActivityNews:
    """The data of an event `changed`: which parts of the picture to read again."""

    parts: tuple[str, ...]
