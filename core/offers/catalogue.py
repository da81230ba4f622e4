"""Decides what a listing sells: SKUs, consignors, channels, and which listing stands for which SKU."""

from __future__ import annotations

import re
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core.codes.allocator import Allocator
from core.db.pool import Connection, Pool
from core.db.queries import load_queries
from core.errors import InvalidInput, UnknownChannel, UnknownConsignor, UnknownSku
from core.money.money import Money
from core.types import ChannelId, ConsignorId, Lane, ListingId, ListingRef, Sku, SkuId

_SQL = load_queries("core.offers", "catalogue.sql")
_FIND_LISTINGS = _SQL["find_listings"]
_FIND_SKU = _SQL["find_sku"]
_ADD_SKU = _SQL["add_sku"]
_TAG_SKU = _SQL["tag_sku"]
_SET_BASE_PRICE = _SQL["set_base_price"]
_FIND_CONSIGNOR = _SQL["find_consignor"]
_ADD_CONSIGNOR = _SQL["add_consignor"]
_ADD_CHANNEL = _SQL["add_channel"]
_CHANNEL_STATES = _SQL["channel_states"]
_PAUSE_CHANNEL = _SQL["pause_channel"]
_SKUS_OF_CHANNEL = _SQL["skus_of_channel"]
_LINK_LISTING = _SQL["link_listing"]
_ADD_OFFER = _SQL["add_offer"]
_LISTINGS_OF_SKU = _SQL["listings_of_sku"]

_REMEMBER_SECONDS = 30.0
_TAG = re.compile(r"^\w[\w.:-]{0,63}$")
_MOST_TAGS = 64


@dataclass(frozen=True, slots=True)
class NewSku:
    """A SKU to add. The face value is what is printed on the card, if it has one."""

    sku_ref: str
    title: str = ""
    brand: str = ""
    kind: str = "gift card"
    region: str = ""
    face_value: Money | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """Which SKU a channel's listing sells, and the lane of its codes."""

    listing_ref: ListingRef
    listing_id: ListingId
    sku_id: SkuId
    lane: Lane


@dataclass(frozen=True, slots=True)
class ChannelState:
    """A channel as the database knows it; paused_at tells that a person has taken it off sale."""

    channel_id: ChannelId
    name: str
    connector: str
    currency: str
    paused_at: datetime | None
    paused_reason: str | None


class ListingBook:
    """Finds listings by the channel's reference, remembering them for half a minute."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._known: dict[tuple[ChannelId, ListingRef], tuple[float, Listing]] = {}

    async def find(self, channel_id: ChannelId, refs: Sequence[ListingRef]) -> dict[ListingRef, Listing]:
        """Those of the references that are linked to a SKU."""
        now = time.monotonic()
        found: dict[ListingRef, Listing] = {}
        for ref in refs:
            at, listing = self._known.get((channel_id, ref), (float("-inf"), None))
            if listing is not None and now - at < _REMEMBER_SECONDS:
                found[ref] = listing
        missing = [ref for ref in refs if ref not in found]
        if missing:
            for row in await self._pool.fetch(_FIND_LISTINGS, channel_id, missing):
                listing = Listing(**dict(row))
                self._known[channel_id, listing.listing_ref] = (now, listing)
                found[listing.listing_ref] = listing
        return found


def lane_of(sku_ref: str, lanes: int) -> Lane:
    """The lane a new SKU goes to; it keeps it when the number of lanes changes later."""
    return Lane(zlib.crc32(sku_ref.encode()) % lanes)


async def find_sku(conn: Connection, sku_ref: str) -> Sku:
    """The SKU of a reference; UnknownSku says how to add it."""
    row = await conn.fetchrow(_FIND_SKU, sku_ref)
    if row is None:
        raise UnknownSku(f"SKU {sku_ref!r} is not known; add it with `consignd stock add {sku_ref}`")
    return Sku(**dict(row))


async def add_sku(conn: Connection, new: NewSku, lanes: int) -> Sku:
    """Add a SKU, or find the one that is there already."""
    if not new.sku_ref.strip():
        raise InvalidInput("a SKU needs a reference, such as STEAM-EUR-20")
    face = new.face_value
    await conn.execute(
        _ADD_SKU,
        lane_of(new.sku_ref, lanes),
        new.sku_ref,
        new.title or new.sku_ref,
        new.brand,
        new.kind,
        new.region,
        face.amount_minor if face else None,
        face.currency if face else None,
        sorted({_tag(tag) for tag in new.tags}),
    )
    return await find_sku(conn, new.sku_ref)


async def tag_sku(
    conn: Connection, sku: Sku, allocator: Allocator, *, add: Sequence[str] = (), remove: Sequence[str] = ()
) -> tuple[str, ...]:
    """Give a SKU tags and take others away; its offers follow. Returns the tags it has then."""
    added = [_tag(tag) for tag in add]
    if both := set(added) & set(remove):
        raise InvalidInput(f"tag {min(both)}: to give or to take away? Write it once")
    tags: list[str] = await conn.fetchval(_TAG_SKU, sku.sku_id, added, list(remove))
    if len(tags) > _MOST_TAGS:
        raise InvalidInput(f"{sku.sku_ref} would have {len(tags)} tags: {_MOST_TAGS} at most")
    await allocator.mark(conn, sku.lane, sku.sku_id)
    return tuple(tags)


def _tag(tag: str) -> str:
    """A tag as rules name it; InvalidInput says what one looks like."""
    if not _TAG.match(tag):
        raise InvalidInput(f"tag {tag!r}: write letters and digits, joined by - _ . or :, such as steam")
    return tag


async def set_base_price(conn: Connection, sku: Sku, price: Money, allocator: Allocator) -> None:
    """Set what a SKU should bring after commission in a currency; its offers follow."""
    if price.amount_minor <= 0:
        raise InvalidInput(f"base price {price} of {sku.sku_ref}: write an amount above zero")
    await conn.execute(_SET_BASE_PRICE, sku.sku_id, price.currency, price.amount_minor)
    await allocator.mark(conn, sku.lane, sku.sku_id)


async def find_consignor(conn: Connection, name: str) -> ConsignorId:
    """The consignor of a name; UnknownConsignor if there is none."""
    row = await conn.fetchrow(_FIND_CONSIGNOR, name)
    if row is None:
        raise UnknownConsignor(f"consignor {name!r} is not known; an import with that name adds it")
    return ConsignorId(row["consignor_id"])


async def find_priority(conn: Connection, name: str) -> int:
    """A consignor's own priority, for shelves that are given no other; UnknownConsignor if there is none."""
    row = await conn.fetchrow(_FIND_CONSIGNOR, name)
    if row is None:
        raise UnknownConsignor(f"consignor {name!r} is not known; an import with that name adds it")
    return int(row["priority"])


async def add_consignor(conn: Connection, name: str, priority: int = 100) -> ConsignorId:
    """Add a consignor, or find the one of that name. A lower priority is sold from first."""
    if not name.strip():
        raise InvalidInput("a consignor needs a name")
    await conn.execute(_ADD_CONSIGNOR, name, priority)
    return await find_consignor(conn, name)


async def add_channel(conn: Connection, name: str, connector: str, currency: str) -> ChannelId:
    """Make a configured channel known. Its currency cannot change: its journal is kept in it."""
    row = await conn.fetchrow(_ADD_CHANNEL, name, connector, currency)
    assert row is not None, "the statement inserts or updates"
    if row["currency"] != currency:
        raise InvalidInput(
            f"channel {name}: was set up in {row['currency']} and has a journal in it; "
            f"give the {currency} account a channel name of its own"
        )
    return ChannelId(row["channel_id"])


async def channel_states(conn: Connection) -> list[ChannelState]:
    """All channels the database knows, by name."""
    return [ChannelState(**dict(row)) for row in await conn.fetch(_CHANNEL_STATES)]


async def pause_channel(
    conn: Connection, name: str, allocator: Allocator, *, at: datetime | None, reason: str | None
) -> ChannelId:
    """Take everything on a channel off sale, or (at None) put it back; its offers follow at once."""
    channel_id: int | None = await conn.fetchval(_PAUSE_CHANNEL, name, at, reason)
    if channel_id is None:
        raise UnknownChannel(f"channel {name!r} is not known; `consignd channels list` names them")
    for row in await conn.fetch(_SKUS_OF_CHANNEL, channel_id):
        await allocator.mark(conn, Lane(row["lane"]), SkuId(row["sku_id"]))
    return ChannelId(channel_id)


async def link_listing(
    conn: Connection, channel_id: ChannelId, listing_ref: ListingRef, sku: Sku, allocator: Allocator
) -> ListingId:
    """Say which SKU a channel's listing sells; its offer is worked out and published from then on."""
    listing_id: int = await conn.fetchval(_LINK_LISTING, channel_id, listing_ref, sku.sku_id)
    await conn.execute(_ADD_OFFER, listing_id)
    await allocator.mark(conn, sku.lane, sku.sku_id)
    return ListingId(listing_id)


async def listings_of_sku(conn: Connection, channel_id: ChannelId, sku: Sku) -> list[ListingRef]:
    """The listings that sell a SKU on a channel."""
    rows = await conn.fetch(_LISTINGS_OF_SKU, channel_id, sku.sku_id)
    return [ListingRef(row["listing_ref"]) for row in rows]
