"""Decides what of WooCommerce's resources we read; each is checked at the door, the rest of it is ignored."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from connectors.kit.errors import ProtocolBroken
from connectors.kit.json import Json

# Where we note on an order that its codes are out, and by which attempt.
DELIVERY_META = "consignd_delivery"
# Where the shop notes who brought the buyer, and what its own plug-in takes for the buyer's device.
REFERRER_META = "consignd_referrer"
DEVICE_META = "consignd_device"
# Where the shop notes which group the buyer wants to buy in.
GROUP_META = "consignd_group"

ModelT = TypeVar("ModelT", bound=BaseModel)


def _gmt(value: object) -> datetime:
    """WooCommerce's `*_gmt` times carry no zone and mean UTC."""
    if not isinstance(value, str):
        raise ValueError("not a time")
    moment = datetime.strptime(value[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    if not 2000 <= moment.year <= 2199:
        raise ValueError("not a time of this shop")
    return moment


Gmt = Annotated[datetime, BeforeValidator(_gmt)]
Amount = Annotated[str, Field(pattern=r"^-?\d{1,15}(\.\d{1,10})?$")]


class _Read(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class WooLine(_Read):
    """A product line of an order; `total` is what was paid for all pieces, after discounts, without tax."""

    id: int
    name: str = ""
    product_id: int = 0
    variation_id: int = 0
    quantity: int = Field(ge=0)
    total: Amount
    total_tax: Amount = "0"


class WooMeta(_Read):
    """A custom field."""

    key: str
    value: object = None


class WooRefund(_Read):
    """A refund as its order lists it; the total is negative."""

    total: Amount


class WooBilling(_Read):
    """Who pays."""

    email: str | None = None
    address_1: str | None = None
    address_2: str | None = None
    postcode: str | None = None
    country: str | None = None

    @property
    def address(self) -> str | None:
        """House, post code and country, where all of them are told; the rest is spelt in too many ways."""
        parts = (self.address_1, self.address_2, self.postcode, self.country)
        told = bool(self.address_1 and self.postcode and self.country)
        return ", ".join(part for part in parts if part) if told else None


class WooOrder(_Read):
    """An order."""

    id: int = Field(gt=0)
    status: str
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    date_created_gmt: Gmt
    date_modified_gmt: Gmt
    total: Amount
    customer_id: int = 0
    customer_ip_address: str | None = None
    billing: WooBilling = WooBilling()
    line_items: list[WooLine]
    meta_data: list[WooMeta] = []
    refunds: list[WooRefund] = []

    def meta(self, key: str) -> str | None:
        """A custom field that is a text or a number; None where it is empty or something else."""
        values = (field.value for field in self.meta_data if field.key == key)
        texts = (str(value).strip() for value in values if isinstance(value, str | int))
        return next((text for text in texts if text), None)

    @property
    def has_our_codes(self) -> bool:
        """Whether we noted on the order that its codes are out."""
        return any(meta.key == DELIVERY_META and meta.value for meta in self.meta_data)

    @property
    def group(self) -> str | None:
        """The group that the buyer wants to buy in, if the shop says so."""
        values = [meta.value for meta in self.meta_data if meta.key == GROUP_META]
        return next((value for value in values if isinstance(value, str) and value), None)


class WooNote(_Read):
    """A note on an order; customer notes are mailed to the buyer."""

    note: str
    customer_note: bool = False


class WooProduct(_Read):
    """A product or a variation as the shop shows it."""

    id: int
    name: str = ""
    type: str = "simple"
    status: str
    sku: str = ""
    price: str = ""
    manage_stock: bool | Literal["parent"] = False
    stock_quantity: int | None = None
    stock_status: str = "instock"


class WooError(_Read):
    """WooCommerce's way to say no; `data` is an object or, from refunds, a bare number."""

    code: str = ""
    message: str = ""
    data: object = None

    @property
    def status(self) -> int:
        """The HTTP status that the error carries; 500 when it carries none."""
        status = self.data.get("status") if isinstance(self.data, dict) else self.data
        return status if isinstance(status, int) else 500


class WooWritten(_Read):
    """One item of a batch's answer: written, or the error why not."""

    id: int
    error: WooError | None = None


class WooBatch(_Read):
    """The answer to a batch of updates."""

    update: list[WooWritten] = []


class WooWebhook(_Read):
    """A registered webhook; its secret is never shown."""

    id: int
    status: str
    topic: str
    delivery_url: str


class WooSetting(_Read):
    """One of the shop's settings."""

    value: object = None


def read(model: type[ModelT], value: Json, where: str) -> ModelT:
    """Check one resource; ProtocolBroken names the fields that are wrong, never what they held."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise ProtocolBroken(f"{where}: {_wrong_fields(error)}") from None


def read_list(model: type[ModelT], value: Json, where: str) -> list[ModelT]:
    """Check a list of resources, all or none."""
    if not isinstance(value, list):
        raise ProtocolBroken(f"{where}: not a list")
    return [read(model, each, where) for each in value]


def _wrong_fields(error: ValidationError) -> str:
    problems = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(
        f"{'.'.join(map(str, each['loc'])) or 'the body'}: {each['type']}" for each in problems[:5]
    )
