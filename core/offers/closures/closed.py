"""Decides why a listing is off, whatever its rules would make of the stock; None: it may be on.

In the order in which people look for the cause: everything stopped, then the channel, then the SKU, then what
the guard closed, then the listing by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from core.db.pool import Connection
from core.db.queries import load_queries
from core.types import ChannelId, ListingId, SkuId

_SQL = load_queries("core.offers.closures", "closed.sql")
_CLOSURES = _SQL["closures"]
_ADOPTIONS = load_queries("core.offers.drift", "reconciling.sql")["adoptions"]

_EVERYTHING = "everything"
_CHANNEL = "channel"
_SKU = "sku"
_GUARD = "guard"
_PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Adopted:
    """What a listing shows because it was found so: units, or a price and what we are paid of it."""

    amount: int
    net_minor: int | None
    why: str


@dataclass(frozen=True, slots=True)
class Closures:
    """What stands over the rules now: reasons by what they close, and what was adopted by listing."""

    everything: str | None = None
    channels: Mapping[ChannelId, str] = field(default_factory=dict)
    skus: Mapping[SkuId, str] = field(default_factory=dict)
    guarded: Mapping[tuple[ChannelId, ListingId | None], str] = field(default_factory=dict)
    paused: Mapping[ChannelId, str] = field(default_factory=dict)
    switched_off: Mapping[ListingId, str] = field(default_factory=dict)
    quantities: Mapping[ListingId, Adopted] = field(default_factory=dict)
    prices: Mapping[ListingId, Adopted] = field(default_factory=dict)


def closed_by(
    closures: Closures, channel_id: ChannelId, sku_id: SkuId, listing_id: ListingId, *, enabled: bool
) -> str | None:
    """Why a listing is off; None where nothing closes it."""
    reasons = (
        closures.everything,
        closures.channels.get(channel_id),
        closures.skus.get(sku_id),
        closures.paused.get(channel_id),
        closures.guarded.get((channel_id, None)),
        closures.guarded.get((channel_id, listing_id)),
        closures.switched_off.get(listing_id),
        None if enabled else "the listing is switched off",
    )
    return next((reason for reason in reasons if reason is not None), None)


async def read_closures(
    conn: Connection, sku_ids: Sequence[SkuId], listing_ids: Sequence[ListingId]
) -> Closures:
    """All that closes anything of some SKUs and their listings, and what was adopted for them."""
    found: dict[str, dict[tuple[int, int | None], str]] = {}
    for row in await conn.fetch(_CLOSURES, sku_ids):
        found.setdefault(row["kind"], {})[row["subject_id"], row["listing_id"]] = row["why"]
    adopted: dict[str, dict[ListingId, Adopted]] = {}
    for row in await conn.fetch(_ADOPTIONS, listing_ids):
        why = f"{row['actor']}, {row['adopted_at']:%Y-%m-%d %H:%M}: {row['reason']}"
        adopted.setdefault(row["what"], {})[ListingId(row["listing_id"])] = Adopted(
            int(row["amount"]), row["net_minor"], why
        )
    return Closures(
        everything=found.get(_EVERYTHING, {}).get((0, None)),
        channels=_by_channel(found.get(_CHANNEL, {})),
        skus={SkuId(subject): why for (subject, _), why in found.get(_SKU, {}).items()},
        guarded={
            (ChannelId(subject), None if listing is None else ListingId(listing)): why
            for (subject, listing), why in found.get(_GUARD, {}).items()
        },
        paused=_by_channel(found.get(_PAUSED, {})),
        switched_off={
            listing: f"found switched off there: {kept.why}"
            for listing, kept in adopted.get("switch", {}).items()
        },
        quantities=adopted.get("quantity", {}),
        prices=adopted.get("price", {}),
    )


def _by_channel(found: Mapping[tuple[int, int | None], str]) -> dict[ChannelId, str]:
    return {ChannelId(subject): why for (subject, _), why in found.items()}
