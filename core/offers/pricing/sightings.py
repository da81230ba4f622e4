"""Keeps what other sellers were seen to ask: look by look, and only what changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core.db.pool import Connection, Pool
from core.db.queries import load_queries
from core.money.money import Money
from core.types import ChannelId, ListingId, ListingRef

_SQL = load_queries("core.offers.pricing", "sightings.sql")
_DUE_LOOKS = _SQL["due_looks"]
_STANDING_SIGHTINGS = _SQL["standing_sightings"]
_NOTE_LOOKS = _SQL["note_looks"]
_ADD_SIGHTINGS = _SQL["add_sightings"]
_PRUNE_SIGHTINGS = _SQL["prune_sightings"]

# A rule looks at the first few; a marketplace may list hundreds.
MOST_SELLERS = 50


@dataclass(frozen=True, slots=True)
class SeenOffer:
    """What a seller was seen to ask; quantity None: not told."""

    seller: str
    price: Money
    own: bool
    quantity: int | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of a listing's competitors, in the marketplace's order; None: nothing, and why."""

    listing_id: ListingId
    offers: Sequence[SeenOffer] | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class DueLook:
    """A listing to look at."""

    listing_id: ListingId
    listing_ref: ListingRef


async def due_looks(
    conn: Connection, channel_id: ChannelId, wanted: Sequence[ListingId], before: datetime, limit: int
) -> list[DueLook]:
    """Of some listings of a channel those last asked for before a moment, the longest ago first."""
    rows = await conn.fetch(_DUE_LOOKS, channel_id, wanted, before, limit)
    return [DueLook(**dict(row)) for row in rows]


async def keep_looks(conn: Connection, looks: Sequence[Look], now: datetime) -> list[ListingId]:
    """Write looks down in the caller's transaction; the listings of which something else was seen."""
    standing: dict[ListingId, list[tuple[str, int, int | None, bool]]] = {}
    for row in await conn.fetch(_STANDING_SIGHTINGS, [look.listing_id for look in looks]):
        told = (row["seller"], row["price_minor"], row["quantity"], row["own"])
        standing.setdefault(ListingId(row["listing_id"]), []).append(told)
    changed = [
        look
        for look in looks
        if look.offers is not None and _told(look.offers) != standing.get(look.listing_id)
    ]
    differing = {look.listing_id for look in changed}
    await conn.execute(
        _NOTE_LOOKS,
        [look.listing_id for look in looks],
        [look.offers is not None for look in looks],
        [look.listing_id in differing for look in looks],
        [look.detail for look in looks],
        now,
    )
    await _add(conn, changed, now)
    return sorted(differing)


async def _add(conn: Connection, changed: Sequence[Look], now: datetime) -> None:
    rows = [
        (look.listing_id, position, offer)
        for look in changed
        for position, offer in enumerate((look.offers or ())[:MOST_SELLERS])
    ]
    await conn.execute(
        _ADD_SIGHTINGS,
        [listing_id for listing_id, _, _ in rows],
        [position for _, position, _ in rows],
        [offer.seller for _, _, offer in rows],
        [offer.price.amount_minor for _, _, offer in rows],
        [offer.price.currency for _, _, offer in rows],
        [offer.quantity for _, _, offer in rows],
        [offer.own for _, _, offer in rows],
        now,
    )


async def prune_sightings(pool: Pool, before: datetime) -> None:
    """Forget looks before a moment, except the last of each listing."""
    await pool.execute(_PRUNE_SIGHTINGS, before)


def _told(offers: Sequence[SeenOffer]) -> list[tuple[str, int, int | None, bool]]:
    return [
        (offer.seller, offer.price.amount_minor, offer.quantity, offer.own) for offer in offers[:MOST_SELLERS]
    ]
