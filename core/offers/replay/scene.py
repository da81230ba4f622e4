"""Tells what a replay is made of: channels and their faults, SKUs, listings, buyers, and the policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.offers.history.selling import Lag
from core.offers.matching import SkuFacts
from core.offers.stock.rules import StockPolicy, StockRule
from core.types import ChannelId, ListingId, SkuId


@dataclass(frozen=True, slots=True)
class Silence:
    """A time in which a channel acknowledges nothing."""

    since: float
    until: float


@dataclass(frozen=True, slots=True)
class ReplayChannel:
    """A channel: how late it acknowledges, and what goes wrong there.

    An authoritative one asks us before it sells. Of what is told, a share is acknowledged and yet not shown,
    until the next reconcile finds it.
    """

    channel_id: ChannelId
    name: str
    authoritative: bool
    lag: Lag
    largest_quantity: int = 1_000_000
    tier: str = ""
    silences: tuple[Silence, ...] = ()
    lost_share: float = 0.0
    reconcile_seconds: float = 300.0


@dataclass(frozen=True, slots=True)
class ReplaySku:
    """A SKU as it stood when the time began; units per second by channel as measured before."""

    sku_id: SkuId
    available: int
    facts: SkuFacts = field(default_factory=SkuFacts)
    per_second: Mapping[ChannelId, float] = field(default_factory=dict)
    mean_quantity: float = 1.0


@dataclass(frozen=True, slots=True)
class ReplayListing:
    """A SKU on a channel."""

    listing_id: ListingId
    channel_id: ChannelId
    sku_id: SkuId


@dataclass(frozen=True, slots=True)
class Asked:
    """A buyer wants so many of a listing, `at` seconds after the time began."""

    at: float
    listing_id: ListingId
    quantity: int


@dataclass(frozen=True, slots=True)
class Restocked:
    """Codes came, or (below zero) left otherwise than by a sale."""

    at: float
    sku_id: SkuId
    quantity: int


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator wants: for everything and for SKUs, and for channels."""

    name: str
    stock: StockPolicy
    channels: Mapping[ChannelId, StockRule] = field(default_factory=dict)
    listings: Mapping[ListingId, StockRule] = field(default_factory=dict)

    @property
    def looks_at_sales(self) -> bool:
        """Whether quantities under it depend on what sells, not on the codes alone."""
        rules = (*self.channels.values(), *self.listings.values())
        return self.stock.looks_at_sales or any(rule.looks_at_sales for rule in rules)


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that happens, whatever the policy; lasts `seconds`."""

    seconds: float
    channels: tuple[ReplayChannel, ...]
    skus: tuple[ReplaySku, ...]
    listings: tuple[ReplayListing, ...]
    events: tuple[Asked | Restocked, ...]
