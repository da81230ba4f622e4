"""Decides what Eneba's callbacks ask and how the answers look: RESERVE, PROVIDE, CANCEL."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import Field, TypeAdapter, ValidationError

from connectors.eneba.models import LARGEST_KEY_COUNT, Amount, EnebaModel, Reference
from connectors.kit.errors import CallbackRefused, ProtocolBroken
from connectors.kit.json import Json, dump_json, parse_json
from connectors.kit.messages import (
    Callback,
    CallbackReply,
    CallbackRequest,
    CancelAsked,
    ProvideAsked,
    ReserveAsked,
)
from core.types import (
    ChannelOrder,
    CodePayload,
    LineCodes,
    LineRef,
    ListingRef,
    OrderLine,
    OrderRef,
    PayloadKind,
    Payment,
)

_DEFAULT_IMAGE_NAME = "code.png"


class ReservedAuction(EnebaModel):
    """How many keys of one auction an order wants, at what gross price a piece."""

    auction_id: Reference
    key_count: int = Field(ge=1, le=LARGEST_KEY_COUNT)
    price: Amount


class Reserve(EnebaModel):
    """May this order be sold?"""

    action: Literal["RESERVE"]
    order_id: Reference
    auctions: list[ReservedAuction] = Field(min_length=1)
    # Set when keys of an earlier order are to be replaced, which we did not register for.
    original_order_id: str | None = None


class Provide(EnebaModel):
    """The order is paid: its keys are wanted."""

    action: Literal["PROVIDE"]
    order_id: Reference


class Cancel(EnebaModel):
    """The order is off."""

    action: Literal["CANCEL"]
    order_id: Reference


_ANY_CALLBACK: TypeAdapter[Reserve | Provide | Cancel] = TypeAdapter(Reserve | Provide | Cancel)


def verify(request: CallbackRequest, token: str) -> None:
    """CallbackRefused unless the request carries the bearer value that we registered."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    matches = hmac.compare_digest(_utf8(value), _utf8(token))
    if scheme.lower() != "bearer" or not matches:
        raise CallbackRefused("Authorization is not the registered bearer value")


def parse(request: CallbackRequest, now: datetime) -> Callback:
    """What the callback asks; CallbackRefused (400) names the places that cannot be read."""
    asked = _read(request.body)
    order_ref = OrderRef(asked.order_id)
    if isinstance(asked, Provide):
        return ProvideAsked(order_ref)
    if isinstance(asked, Cancel):
        return CancelAsked(order_ref)
    return ReserveAsked(_order(asked, order_ref, now))


def _read(body: bytes) -> Reserve | Provide | Cancel:
    try:
        return _ANY_CALLBACK.validate_python(parse_json(body, "callback"))
    except ProtocolBroken as error:
        raise CallbackRefused(str(error), 400) from None
    except (ValidationError, RecursionError) as error:
        places = _places(error) if isinstance(error, ValidationError) else "nesting"
        raise CallbackRefused(f"callback: unexpected content at {places}", 400) from None


def _places(error: ValidationError) -> str:
    return ", ".join(sorted({".".join(map(str, each["loc"])) for each in error.errors(include_input=False)}))


def _order(asked: Reserve, order_ref: OrderRef, now: datetime) -> ChannelOrder:
    refs = [auction.auction_id for auction in asked.auctions]
    if len(set(refs)) != len(refs):
        raise CallbackRefused("callback: the same auction twice in one order", 400)
    if asked.original_order_id:
        raise CallbackRefused("callback: replacements are not served", 400)
    lines = [
        OrderLine(
            line_ref=LineRef(auction.auction_id),
            listing_ref=ListingRef(auction.auction_id),
            quantity=auction.key_count,
            unit_price=auction.price.money(),
        )
        for auction in asked.auctions
    ]
    return ChannelOrder(order_ref=order_ref, payment=Payment.PENDING, lines=lines, placed_at=now)


def reserve_reply(order_ref: OrderRef, *, granted: bool) -> CallbackReply:
    """Yes or no to a reservation; both are 200."""
    return _reply({"action": "RESERVE", "orderId": order_ref, "success": granted})


def provide_reply(order_ref: OrderRef, lines: Sequence[LineCodes] | None) -> CallbackReply:
    """The keys by auction, or that there will be none."""
    answer: dict[str, Json] = {"action": "PROVIDE", "orderId": order_ref, "success": lines is not None}
    if lines is not None:
        answer["auctions"] = [
            {"auctionId": line.listing_ref, "keys": [_key(code) for code in line.codes]} for line in lines
        ]
    return _reply(answer)


def provide_later_reply(order_ref: OrderRef) -> CallbackReply:
    """A failed attempt in Eneba's eyes, so that it uses the next of its three."""
    answer: dict[str, Json] = {"action": "PROVIDE", "orderId": order_ref, "success": False}
    return CallbackReply(status=503, body=dump_json(answer))


def _reply(answer: dict[str, Json]) -> CallbackReply:
    return CallbackReply(status=200, body=dump_json(answer))


def _key(code: CodePayload) -> Json:
    if code.kind is PayloadKind.IMAGE:
        # The vault keeps an image as the base64 text that Eneba wants.
        return {"type": "IMAGE", "value": code.secret, "filename": code.file_name or _DEFAULT_IMAGE_NAME}
    return {"type": "TEXT", "value": code.text()}


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
