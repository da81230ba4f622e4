"""Decides what Eneba's replies and callbacks look like inside: parsed once, at the door."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError
from pydantic.alias_generators import to_camel

from connectors.kit.errors import ProtocolBroken
from core.errors import InvalidInput
from core.money.money import Money

ModelT = TypeVar("ModelT", bound=BaseModel)

# The most that is believed of one line of an order; Eneba declares no limit.
LARGEST_KEY_COUNT = 10_000
_LARGEST_AMOUNT = 10**12

Reference = Annotated[str, Field(min_length=1, max_length=200)]


class EnebaModel(BaseModel):
    """Names as Eneba writes them, unknown ones ignored; whole numbers may come as text."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)


class EnebaMoney(EnebaModel):
    """Minor units and currency; callbacks write the amount as text."""

    amount: int = Field(ge=0, le=_LARGEST_AMOUNT)
    currency: str

    def money(self) -> Money:
        """The amount as our money; InvalidInput when the currency is not one."""
        return Money(self.amount, self.currency)


def _is_money(value: EnebaMoney) -> EnebaMoney:
    try:
        value.money()
    except InvalidInput as error:
        raise ValueError(str(error)) from None
    return value


Amount = Annotated[EnebaMoney, AfterValidator(_is_money)]


def _is_aware(value: datetime) -> datetime:
    return value if value.tzinfo else value.replace(tzinfo=UTC)


Moment = Annotated[datetime, AfterValidator(_is_aware)]


class Grant(EnebaModel):
    """The token endpoint's reply, whose names are not Eneba's but OAuth's."""

    model_config = ConfigDict(alias_generator=None, extra="ignore", frozen=True)

    access_token: str = Field(min_length=1, repr=False)
    expires_in: float = Field(gt=0)


class ErrorAbout(EnebaModel):
    """What a GraphQL error may say about itself besides its text."""

    code: str | None = None
    category: str | None = None


class GraphqlError(EnebaModel):
    """One of `errors[]`."""

    message: str = "no message"
    path: list[str | int] | None = None
    extensions: ErrorAbout | None = None

    @property
    def kind(self) -> str:
        """The error's code or category in lower case; empty where it has none."""
        about = self.extensions or ErrorAbout()
        return (about.code or about.category or "").lower()


class Envelope(EnebaModel):
    """A GraphQL reply."""

    data: dict[str, JsonValue] | None = None
    errors: list[GraphqlError] = Field(default_factory=list)

    def errors_at(self, alias: str) -> list[GraphqlError]:
        """The errors of one field, and those that name none."""
        return [error for error in self.errors if not error.path or error.path[0] == alias]


class PageInfo(EnebaModel):
    """Where a connection's page ends."""

    has_next_page: bool
    end_cursor: str | None = None


class Quota(EnebaModel):
    """Free price changes left, and in how many seconds the next one comes."""

    quota: int
    next_free_in: int | None = None


class Product(EnebaModel):
    """What is sold."""

    id: Reference
    name: str | None = None


class Stock(EnebaModel):
    """One of our auctions as `S_stock` lists it."""

    id: Reference
    product: Product
    status: str
    price: Amount
    declared_stock: int | None = None
    on_hand: int = 0
    on_hold: int = 0
    price_update_quota: Quota | None = None


class StockQuota(EnebaModel):
    """An auction's free price changes."""

    id: Reference
    price_update_quota: Quota


class StockEdge(EnebaModel):
    """Relay's wrapping of a node."""

    node: Stock


class StockConnection(EnebaModel):
    """A page of auctions."""

    edges: list[StockEdge]
    page_info: PageInfo
    total_count: int | None = None


class Counted(EnebaModel):
    """A connection of which only the size was asked."""

    total_count: int | None = None


class QuotaEdge(EnebaModel):
    """Relay's wrapping of a node."""

    node: StockQuota


class QuotaConnection(EnebaModel):
    """The auction that was asked for, if it is ours."""

    edges: list[QuotaEdge]


class CalculatedPrice(EnebaModel):
    """Eneba's own sum: the price asked about with commission put on it, and with commission taken off."""

    price_with_commission: Amount
    price_without_commission: Amount


class Transaction(EnebaModel):
    """A line of `B_transactions`; order and auction are known for some types only."""

    code: Reference
    type: str
    status: str
    direction: str
    money: Amount
    created_at: Moment
    order_number: str | None = None
    auction_id: str | None = None


class TransactionEdge(EnebaModel):
    """Relay's wrapping of a node."""

    node: Transaction


class TransactionConnection(EnebaModel):
    """A page of the ledger."""

    edges: list[TransactionEdge]
    page_info: PageInfo


class RegisteredCallback(EnebaModel):
    """A callback that Eneba has on file."""

    id: Reference
    type: str
    url: str
    authorization: str | None = Field(default=None, repr=False)


class PriceItem(EnebaModel):
    """What became of one auction in a price mutation."""

    auction_id: Reference
    success: bool
    error: str | None = None
    paid_for_price_change: bool | None = None


class PricesUpdated(EnebaModel):
    """The reply of `P_updateAuctionPrice`."""

    items: list[PriceItem]
    action_id: str | None = None


class StockUpdated(EnebaModel):
    """The reply of `P_updateDeclaredStock`: one flag for all of its auctions."""

    success: bool
    action_id: str | None = None


class ActionState(EnebaModel):
    """How far an asynchronous mutation is."""

    state: str


class Succeeded(EnebaModel):
    """The reply of mutations that say only whether."""

    success: bool


def read(model: type[ModelT], value: object, where: str) -> ModelT:
    """Parse what came; ProtocolBroken names the places that are wrong, never their content."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        places = sorted({".".join(map(str, problem["loc"])) for problem in error.errors(include_input=False)})
        raise ProtocolBroken(f"{where}: unexpected shape at {', '.join(places) or 'the top'}") from None
