"""Decides what we write to Kinguin: the parts of an offer, and the body of a key."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import PurePath

from connectors.kinguin.models import CURRENCY
from connectors.kit.errors import ChannelRefused
from connectors.kit.json import Json
from core.types import CodePayload, ListingRef, OfferWanted, PayloadKind

_LARGEST_KEY_BYTES = 200 * 1024
_IMAGE_TYPES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".gif": "image/gif"}


def stock_part(offer: OfferWanted, image_offers: Collection[ListingRef | str]) -> dict[str, Json]:
    """Status and declared stock.

    The status goes always, for it costs nothing, and an offer whose declared stock is 0 stays active.
    Open reservations count against the declared stock, so buyers see at most this quantity, and fewer
    while some are open: adding those would oversell as often as we have not heard of one yet.
    """
    on = offer.on and offer.quantity > 0
    stock: dict[str, Json] = {"status": "ACTIVE" if on else "INACTIVE"}
    if offer.quantity_changed:
        stock["declaredStock"] = offer.quantity
        stock["declaredTextStock"] = 0 if offer.listing_ref in image_offers else offer.quantity
    return stock


def price_part(offer: OfferWanted) -> dict[str, Json]:
    """What we want to receive, for on write `price` is net; left out when unchanged, for it may cost."""
    if not offer.price_changed:
        return {}
    assert offer.net_price.currency == CURRENCY, "this channel's account is in EUR"
    return {"price": {"amount": offer.net_price.amount_minor, "currency": CURRENCY}}


def key_body(code: CodePayload) -> tuple[str, str]:
    """A code as Kinguin takes it, with its mime type: a text, or an image in base64."""
    if code.kind is PayloadKind.IMAGE:
        suffix = PurePath(code.file_name or "").suffix.lower()
        body, mime_type = code.secret, _IMAGE_TYPES.get(suffix, "image/png")
    else:
        body, mime_type = code.text(), "text/plain"
    if len(body.encode()) > _LARGEST_KEY_BYTES:
        raise ChannelRefused(f"a code is larger than the {_LARGEST_KEY_BYTES} bytes that Kinguin takes")
    return body, mime_type
