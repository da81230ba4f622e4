"""Decides what a draft of the stock policy may say: the same tables as the settings, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from config.fields import Name, Table
from config.mending import explain
from config.models import Listing
from config.problems import KeyPath, Problem, SettingsRefused, dotted
from config.settings import Settings
from config.sources import Document, Origins, read_document
from config.stock import ChannelStock, ListingStock, Stock, unknown_tiers


class _DraftListing(Table):
    ref: Annotated[str, Field(min_length=1)]
    stock: ListingStock = ListingStock()


class _DraftChannel(Table):
    stock: ChannelStock | None = None
    listings: tuple[_DraftListing, ...] | None = None


class _Draft(Table):
    """[stock], channels.*.stock and channels.*.listings, each as a whole in place of the one in force."""

    stock: Stock | None = None
    channels: dict[Name, _DraftChannel] = Field(default_factory=dict)


def read_draft(path: Path, settings: Settings) -> Settings:
    """The settings with a draft's stock tables in place of their own; SettingsRefused says what to mend.

    What the draft does not mention stays as it is in force.
    """
    document = read_document(path)
    refusals = list(unknown_tiers(_with_channels(document, settings)))
    draft = _Draft()
    try:
        draft = _Draft.model_validate(document.data)
    except ValidationError as refused:
        refusals += explain(refused, _Draft)
    for name in draft.channels:
        if name not in settings.channels:
            known = ", ".join(sorted(settings.channels)) or "none"
            refusals.append((("channels", name), f"no channel is named {name}; configured: {known}"))
    if refusals:
        raise SettingsRefused(_placed(refusals, document))
    return _replaced(settings, draft)


def _replaced(settings: Settings, draft: _Draft) -> Settings:
    channels = dict(settings.channels)
    for name, written in draft.channels.items():
        channel = channels[name]
        own = {listing.ref: listing for listing in channel.listings}
        changes: dict[str, object] = {}
        if written.stock is not None:
            changes["stock"] = written.stock
        if written.listings is not None:
            changes["listings"] = tuple(
                own[listing.ref].model_copy(update={"stock": listing.stock})
                if listing.ref in own
                else Listing(ref=listing.ref, stock=listing.stock)
                for listing in written.listings
            )
        channels[name] = channel.model_copy(update=changes)
    stock = settings.stock if draft.stock is None else draft.stock
    return settings.model_copy(update={"stock": stock, "channels": channels})


def _with_channels(document: Document, settings: Settings) -> dict[str, object]:
    """The draft with the channels it does not mention, whose tiers its rules may name."""
    written = document.data.get("channels", {})
    own = written if isinstance(written, dict) else {}
    running: dict[str, object] = {
        name: {"stock": {"tier": channel.stock.tier}} for name, channel in settings.channels.items()
    }
    return {**document.data, "channels": {**running, **own}}


def _placed(refusals: list[tuple[KeyPath, str]], document: Document) -> list[Problem]:
    origins = Origins(document, {}, {})
    problems = [Problem(*origins.nearest(path), dotted(path), text) for path, text in refusals]
    return sorted(problems, key=lambda problem: problem.line or 0)
