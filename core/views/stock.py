"""Tells how much of each SKU is where, and what every listing should show, was told and shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.db.pool import Connection, Record
from core.db.queries import load_queries
from core.errors import UnknownSku
from core.types import ListingId, ListingRef, SkuId

_SQL = load_queries("core.views", "stock.sql")
_SKU_PAGE = _SQL["sku_page"]
_COUNTS = _SQL["counts"]
_RESERVED = _SQL["reserved"]
_PRICES = _SQL["prices"]
_LISTINGS = _SQL["listings"]
_SHELVES = _SQL["shelves"]

_LISTINGS_AT_MOST = 5000
_SHELVES_AT_MOST = 200
_SHOWN_PARTS = ("quantity", "price_minor", "net_minor", "on", "at")


@dataclass(frozen=True, slots=True)
class SkuCounts:
    """Where the codes of a SKU are; the first is the sum of all the others."""

    imported: int = 0
    available: int = 0
    reserved: int = 0
    delivered: int = 0
    quarantined: int = 0
    expired: int = 0
    withdrawn: int = 0


@dataclass(frozen=True, slots=True)
class BasePrice:
    """What one code should bring after commission, in minor units of a currency."""

    currency: str
    base_price_minor: int


@dataclass(frozen=True, slots=True)
class SkuStock:
    """A SKU with its counts and base prices; `next_expiry` is when free codes expire next."""

    sku_id: SkuId
    sku_ref: str
    title: str
    brand: str
    kind: str
    region: str
    face_value_minor: int | None
    face_currency: str | None
    counts: SkuCounts
    base_prices: tuple[BasePrice, ...]
    next_expiry: datetime | None


@dataclass(frozen=True, slots=True)
class Shown:
    """One of the three facts about an offer: when it was so, and what it was. None: not known."""

    quantity: int | None
    price_minor: int | None
    net_minor: int | None
    on: bool | None
    at: datetime | None


@dataclass(frozen=True, slots=True)
class ListingView:
    """A listing and its offer: wanted, published, observed, and what stands in the way."""

    listing_id: ListingId
    sku_id: SkuId
    sku_ref: str
    title: str
    channel: str
    currency: str
    listing_ref: ListingRef
    enabled: bool
    paused: bool
    wanted: Shown
    published: Shown
    observed: Shown
    dirty: bool
    dirty_since: datetime | None
    telling_quantity: int | None
    retry_at: datetime | None
    failures: int
    refusal: str | None
    drifts: int
    why: Mapping[str, Sequence[Mapping[str, str | int]]] | None


@dataclass(frozen=True, slots=True)
class ShelfView:
    """Free codes that are alike, at their place in the order of sale."""

    lane: int
    shelf_id: int
    consignor: str
    expires_at: datetime | None
    unit_cost_minor: int | None
    currency: str | None
    priority: int
    free: int


@dataclass(frozen=True, slots=True)
class SkuPage:
    """Some SKUs, and the reference to go on after; None: these were the last."""

    skus: tuple[SkuStock, ...]
    next_after: str | None


@dataclass(frozen=True, slots=True)
class SkuDetail:
    """Everything that explains a SKU: counts, shelves in the order of sale, listings with why."""

    sku: SkuStock
    shelves: tuple[ShelfView, ...]
    listings: tuple[ListingView, ...]


async def sku_page(
    conn: Connection, now: datetime, *, after: str = "", text: str | None = None, limit: int = 50
) -> SkuPage:
    """SKUs by reference, those whose reference, title or brand holds a text."""
    skus = await _skus(conn, now, after, None, like_pattern(text), limit + 1)
    more = len(skus) > limit
    return SkuPage(skus[:limit], skus[limit - 1].sku_ref if more else None)


async def sku_detail(conn: Connection, now: datetime, sku_ref: str) -> SkuDetail:
    """One SKU; UnknownSku if there is none of that reference."""
    skus = await _skus(conn, now, "", sku_ref, None, 1)
    if not skus:
        raise UnknownSku(f"SKU {sku_ref!r} is not known; `GET /api/v1/stock` lists those that are")
    sku = skus[0]
    shelves = await conn.fetch(_SHELVES, sku.sku_id, _SHELVES_AT_MOST)
    return SkuDetail(
        sku, tuple(ShelfView(**dict(row)) for row in shelves), await listings(conn, sku_ids=[sku.sku_id])
    )


async def listings(
    conn: Connection,
    *,
    sku_ids: Sequence[SkuId] | None = None,
    channel: str | None = None,
    after: int = 0,
    limit: int = _LISTINGS_AT_MOST,
) -> tuple[ListingView, ...]:
    """Listings by id, of some SKUs or of one channel or all."""
    rows = await conn.fetch(_LISTINGS, sku_ids, channel, after, limit)
    return tuple(_listing(row) for row in rows)


async def _skus(
    conn: Connection, now: datetime, after: str, sku_ref: str | None, pattern: str | None, limit: int
) -> tuple[SkuStock, ...]:
    rows = await conn.fetch(_SKU_PAGE, after, sku_ref, pattern, limit)
    sku_ids = [SkuId(row["sku_id"]) for row in rows]
    counted = {SkuId(row["sku_id"]): dict(row) for row in await conn.fetch(_COUNTS, sku_ids, now)}
    kept = {SkuId(row["sku_id"]): int(row["reserved"]) for row in await conn.fetch(_RESERVED, sku_ids)}
    prices: dict[SkuId, list[BasePrice]] = {}
    for row in await conn.fetch(_PRICES, sku_ids):
        price = BasePrice(row["currency"], row["base_price_minor"])
        prices.setdefault(SkuId(row["sku_id"]), []).append(price)
    return tuple(
        SkuStock(
            **dict(row),
            counts=_counts(counted.get(sku_id, {}), kept.get(sku_id, 0)),
            base_prices=tuple(prices.get(sku_id, ())),
            next_expiry=counted.get(sku_id, {}).get("next_expiry"),
        )
        for row, sku_id in zip(rows, sku_ids, strict=True)
    )


def _counts(row: Mapping[str, int], reserved: int) -> SkuCounts:
    """The two statements may see an order end between them: what is taken is never split below zero."""
    if not row:
        return SkuCounts()
    taken = row["taken"]
    return SkuCounts(
        imported=row["imported"],
        available=row["available"],
        reserved=min(reserved, taken),
        delivered=taken - min(reserved, taken),
        quarantined=row["quarantined"],
        expired=row["expired"],
        withdrawn=row["withdrawn"],
    )


def _listing(row: Record) -> ListingView:
    values = dict(row)
    shown = {
        fact: Shown(**{part: values.pop(f"{fact}_{part}") for part in _SHOWN_PARTS})
        for fact in ("wanted", "published", "observed")
    }
    return ListingView(
        **values, wanted=shown["wanted"], published=shown["published"], observed=shown["observed"]
    )


def like_pattern(text: str | None) -> str | None:
    """The LIKE pattern of what holds a text, whatever signs it has; None for no text."""
    if not text:
        return None
    literally = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{literally}%"
