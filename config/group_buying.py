"""Decides what an operator may write about offers to groups of buyers."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from config.fields import Amount, Name, Table, not_boolean
from config.problems import KeyPath

_Ref = Annotated[str, Field(min_length=1)]
_Buyers = Annotated[int, BeforeValidator(not_boolean), Field(ge=2, le=5)]
_Enough = Annotated[int, BeforeValidator(not_boolean), Field(ge=1, le=5)]
_Hours = Annotated[int, BeforeValidator(not_boolean), Field(ge=24, le=72)]
_Count = Annotated[int, BeforeValidator(not_boolean), Field(ge=1, le=1_000_000)]


class GroupOffer(Table):
    """An offer to 2 to 5 buyers together, for 24 to 72 hours; `price` is of one piece.

    It holds for the listings that are named, or for all of a SKU on the channel, which then show this price.
    """

    channel: Name
    listings: Annotated[tuple[_Ref, ...], Field(max_length=1000)] = ()
    sku: _Ref | None = None
    size: _Buyers
    hours: _Hours = 24
    price: Annotated[Amount, Field(gt=Decimal(0))]
    # A group that is short when its time is over: everybody's money goes back, or it is completed all the
    # same where at_least so many joined.
    on_failure: Literal["refund", "complete"] = "refund"
    at_least: _Enough | None = None
    # Pieces that one buyer may have of it, over all groups.
    limit_per_buyer: _Count = 1
    groups_at_once: _Count | None = None

    @model_validator(mode="after")
    def _listings_or_sku(self) -> Self:
        if bool(self.listings) == (self.sku is not None):
            raise ValueError("write listings, or sku: one of them")
        if len(set(self.listings)) < len(self.listings):
            raise ValueError("a listing stands there twice: remove one of them")
        return self

    @model_validator(mode="after")
    def _enough_goes_with_complete(self) -> Self:
        if self.at_least is not None and self.on_failure == "refund":
            raise ValueError('at_least goes with on_failure = "complete" only: remove one of them')
        if self.at_least is not None and self.at_least > self.size:
            raise ValueError("at_least is above size, so nothing would be completed: lower it")
        return self

    @property
    def enough(self) -> int | None:
        """How many buyers are enough when the time is over; None: only all of them."""
        return None if self.on_failure == "refund" else self.at_least or 2


def unknown_group_channels(written: object) -> Iterator[tuple[KeyPath, str]]:
    """Channels that group offers name and that there are not; from raw values, so that no error hides it."""
    root = written if isinstance(written, dict) else {}
    offers, channels = root.get("group_offers"), root.get("channels", {})
    if not isinstance(offers, dict) or not isinstance(channels, dict):
        return
    for name, offer in offers.items():
        channel = offer.get("channel") if isinstance(offer, dict) else None
        if isinstance(channel, str) and channel not in channels:
            others = f": name one of {', '.join(map(str, channels))}" if channels else ": write [channels]"
            yield ("group_offers", str(name), "channel"), f"no channel is named {channel}{others}"
