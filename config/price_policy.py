"""Reads a draft of price rules from a file of its own, to try it before it is written into the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from config.fields import Name, Table
from config.mending import explain
from config.models import Channel, Listing
from config.price import ChannelPrice, ListingPrice, Price
from config.problems import KeyPath, Problem, SettingsRefused, dotted
from config.settings import Settings
from config.sources import Origins, read_document


class _DraftListing(Table):
    """What a draft says of a listing's price."""

    ref: Annotated[str, Field(min_length=1)]
    price: ListingPrice


class _DraftChannel(Table):
    """What a draft says of a channel; what is not written stays as it is."""

    price: ChannelPrice | None = None
    listings: tuple[_DraftListing, ...] = ()


class _Draft(Table):
    """A draft: [price] as a whole, [channels.NAME.price] and [[channels.NAME.listings]]."""

    price: Price | None = None
    channels: dict[Name, _DraftChannel] = Field(default_factory=dict)


def with_price_policy(settings: Settings, file: Path) -> Settings:
    """The settings with a draft's tables in place of theirs; SettingsRefused names file and line."""
    document = read_document(file)
    origins = Origins(document, {}, {})
    try:
        draft = _Draft.model_validate(document.data)
    except ValidationError as refused:
        raise SettingsRefused(
            [_problem(origins, path, text) for path, text in explain(refused, _Draft)]
        ) from None
    unknown = [name for name in draft.channels if name not in settings.channels]
    if unknown:
        known = ", ".join(settings.channels) or "none"
        text = f"no channel of that name is configured; configured: {known}"
        raise SettingsRefused([_problem(origins, ("channels", name), text) for name in unknown])
    channels = dict(settings.channels)
    for name, said in draft.channels.items():
        channels[name] = _drafted(channels[name], said)
    return settings.model_copy(update={"price": draft.price or settings.price, "channels": channels})


def _drafted(channel: Channel, said: _DraftChannel) -> Channel:
    listings = {listing.ref: listing for listing in channel.listings}
    for draft in said.listings:
        known = listings.get(draft.ref, Listing(ref=draft.ref))
        listings[draft.ref] = known.model_copy(update={"price": draft.price})
    update = {"price": said.price or channel.price, "listings": tuple(listings.values())}
    return channel.model_copy(update=update)


def _problem(origins: Origins, path: KeyPath, text: str) -> Problem:
    return Problem(*origins.nearest(path), dotted(path), text)
