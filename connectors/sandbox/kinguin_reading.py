"""Decides what the Kinguin sandbox accepts: offer changes, uploads, filters and pages, and why not."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from aiohttp import web

from connectors.sandbox.kinguin_terms import Body, Commission, OfferState, Reservation

_LARGEST_PRICE_MINOR = 1_000_000
_LARGEST_KEY_BYTES = 200 * 1024
_TEXT = "text/plain"
_IMAGES = ("image/jpeg", "image/png", "image/gif")
_DEFAULT_PAGE_SIZE = 20


class Refused(Exception):
    """A request that the marketplace's rules do not allow."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


@dataclass(frozen=True, slots=True)
class Change:
    """What a seller wants an offer to show; None leaves a thing as it is."""

    gross_minor: int | None
    declared: int | None
    text_stock: int | None
    on: bool | None


@dataclass(frozen=True, slots=True)
class Stock:
    """A key that a seller hands over."""

    body: str = field(repr=False)
    reservation_ref: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list, and how it is announced."""

    number: int
    size: int
    total: int

    @property
    def part(self) -> slice:
        """Where the page lies in the list."""
        return slice(self.number * self.size, (self.number + 1) * self.size)

    @property
    def pages(self) -> int:
        """How many pages the list has."""
        return -(-self.total // self.size)

    def body(self) -> Body:
        """The page as a block of its own, the way offers have it."""
        return {
            "size": self.size,
            "totalElements": self.total,
            "totalPages": self.pages,
            "number": self.number,
        }

    def flat_body(self) -> dict[str, Body]:
        """The page beside the content, the way reservations have it."""
        return {
            "totalPages": self.pages,
            "totalElements": self.total,
            "last": self.number + 1 >= self.pages,
            "size": self.size,
            "number": self.number,
        }


async def read_json(request: web.Request) -> dict[str, Body]:
    """Read a request's JSON object."""
    try:
        body: Body = json.loads(await request.read())
    except ValueError:
        raise Refused(400, "Malformed JSON") from None
    if not isinstance(body, dict):
        raise Refused(400, "Malformed JSON")
    return body


def read_page(query: Mapping[str, str], total: int, largest: int) -> Page:
    """Read page and size; a size beyond the largest is cut down without a word."""
    try:
        number, size = int(query.get("page", "0")), int(query.get("size", str(_DEFAULT_PAGE_SIZE)))
    except ValueError:
        raise Refused(400, "Invalid page") from None
    return Page(max(0, number), min(max(1, size), largest), total)


def read_change(
    body: Mapping[str, Body], offer: OfferState, commission: Commission, max_declared_stock: int
) -> Change:
    """Read an offer change, whole or not at all."""
    declared = _read_count(body.get("declaredStock"))
    if declared is not None and declared > max_declared_stock:
        raise Refused(400, "Max declared stock has been exceeded")
    text_stock = _read_count(body.get("declaredTextStock"))
    if text_stock is not None and text_stock > (offer.declared if declared is None else declared):
        raise Refused(400, "Declared text stock cannot be greater than declared stock")
    status = body.get("status")
    if status not in (None, "ACTIVE", "INACTIVE"):
        raise Refused(400, "Invalid status")
    gross_minor = None if body.get("price") is None else _read_price(body["price"], offer, commission)
    return Change(gross_minor, declared, text_stock, None if status is None else status == "ACTIVE")


def _read_count(value: Body) -> int | None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
        raise Refused(400, "Invalid stock")
    return value


def _read_price(price: Body, offer: OfferState, commission: Commission) -> int:
    """The buyer's price that follows from what the seller wants to receive."""
    amount = price.get("amount") if isinstance(price, dict) else None
    if not isinstance(price, dict) or not isinstance(amount, int) or price.get("currency") != "EUR":
        raise Refused(400, "Invalid price")
    if amount <= 0:
        raise Refused(400, "Offer price must be greater than zero")
    if amount > _LARGEST_PRICE_MINOR:
        raise Refused(400, "Invalid price")
    gross_minor = commission.lowest_gross_of(amount)
    least_minor = offer.minimal_price_minor
    if gross_minor < least_minor:
        least = f"{least_minor // 100}.{least_minor % 100:02d}"
        raise Refused(400, f"Minimal price limit of {least} EUR not reached for this product")
    return gross_minor


def read_stock(body: Mapping[str, Body]) -> Stock:
    """Read an uploaded key."""
    key, mime_type, reservation_ref = body.get("body"), body.get("mimeType"), body.get("reservationId")
    if not isinstance(key, str) or not key:
        raise Refused(400, "Stock body must not be empty")
    if mime_type != _TEXT and mime_type not in _IMAGES:
        raise Refused(400, "Unsupported mime type")
    if mime_type in _IMAGES and not _is_base64(key):
        raise Refused(400, "Image is not base64")
    if len(key.encode()) > _LARGEST_KEY_BYTES:
        raise Refused(400, "Key is too big")
    if reservation_ref is not None and not isinstance(reservation_ref, str):
        raise Refused(400, "Invalid reservation ID")
    return Stock(key, reservation_ref)


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error:
        return False
    return True


def wanted_reservations(
    query: Mapping[str, str], reservations: Sequence[Reservation]
) -> Sequence[Reservation]:
    """The reservations that pass the filters, newest first."""
    created_from, created_to = _read_time(query, "createdDateFrom"), _read_time(query, "createdDateTo")
    released_from = _read_time(query, "releasedDateFrom")

    def passes(reservation: Reservation) -> bool:
        released = reservation.released_at
        return (
            query.get("status") in (None, reservation.status)
            and query.get("offerId") in (None, reservation.order.listing_ref)
            and query.get("reservationId") in (None, reservation.order.order_ref)
            and (created_from is None or reservation.created_at >= created_from)
            and (created_to is None or reservation.created_at <= created_to)
            and (released_from is None or (released is not None and released >= released_from))
        )

    return sorted(filter(passes, reservations), key=lambda r: r.created_at, reverse=True)


def _read_time(query: Mapping[str, str], name: str) -> datetime | None:
    try:
        return datetime.strptime(query[name], "%Y-%m-%dT%H:%M:%S.%f%z") if name in query else None
    except ValueError:
        raise Refused(400, f"Invalid {name}") from None
