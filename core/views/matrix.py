"""Tells the stock matrix: SKUs by channels, how long each lasts, and what is wrong with which listing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core.db.pool import Connection, Record
from core.db.queries import load_queries
from core.offers.closures.closed import closed_by, read_closures
from core.offers.history.restock import days_of_cover
from core.offers.history.selling import LEAST_WATCHED_SECONDS, SLOW_SECONDS
from core.types import ChannelId, SkuId
from core.views.stock import ListingView, like_pattern, listings

_SQL = load_queries("core.views", "matrix.sql")
_MATRIX = _SQL["matrix"]
_CHANNEL_IDS = _SQL["channel_ids"]


class Trouble(StrEnum):
    """What may be wrong with a listing, the worst first."""

    REFUSED = "refused"
    IN_DOUBT = "in_doubt"
    DRIFTED = "drifted"
    GUARDED = "guarded"
    NO_PRICE = "no_price"
    PRICE_HELD = "price_held"
    STOPPED = "stopped"
    PAUSED = "paused"
    HELD_BACK = "held_back"


class MatrixOrder(StrEnum):
    """What a matrix is sorted by."""

    REF = "ref"
    COVER = "cover"
    TROUBLE = "trouble"


@dataclass(frozen=True, slots=True)
class MatrixFilter:
    """Which SKUs are wanted, and in which order; None: any. `trouble` "any": whatever is wrong."""

    text: str | None = None
    trouble: Trouble | str | None = None
    channel: str | None = None
    order: MatrixOrder = MatrixOrder.REF


@dataclass(frozen=True, slots=True)
class MatrixCell:
    """A listing with what is wrong, the worst first, and why it is off where something closes it."""

    listing: ListingView
    troubles: tuple[Trouble, ...]
    closed_by: str | None


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """A SKU: free codes, how many are sold a day and for how long they last (None: nothing is sold)."""

    sku_ref: str
    title: str
    tags: tuple[str, ...]
    free: int
    sold_per_day: float
    cover_days: float | None
    cells: tuple[MatrixCell, ...]


@dataclass(frozen=True, slots=True)
class MatrixPage:
    """A page of the matrix; `skus` counts those of all pages."""

    rows: tuple[MatrixRow, ...]
    skus: int
    page: int
    pages: int


async def matrix_page(
    conn: Connection, wanted: MatrixFilter, now: datetime, *, page: int = 1, size: int = 40
) -> MatrixPage:
    """One page, the first is 1."""
    trouble = None if wanted.trouble is None else str(wanted.trouble)
    found = await conn.fetch(
        _MATRIX,
        now,
        like_pattern(wanted.text),
        trouble,
        wanted.channel,
        wanted.order.value,
        size,
        (page - 1) * size,
        SLOW_SECONDS,
        LEAST_WATCHED_SECONDS,
    )
    skus = int(found[0]["skus"]) if found else 0
    rows = await _rows(conn, found)
    return MatrixPage(rows, skus, page, max(1, -(-skus // size)))


async def _rows(conn: Connection, found: list[Record]) -> tuple[MatrixRow, ...]:
    sku_ids = [SkuId(row["sku_id"]) for row in found]
    states = {
        listing_id: tuple(Trouble(word) for word in words.split())
        for row in found
        for listing_id, words in zip(row["listing_ids"], row["states"], strict=True)
    }
    shown = [each for each in await listings(conn, sku_ids=sku_ids) if each.listing_id in states]
    closures = await read_closures(conn, sku_ids, [each.listing_id for each in shown])
    ids = {str(row["name"]): ChannelId(row["channel_id"]) for row in await conn.fetch(_CHANNEL_IDS)}
    cells: dict[SkuId, list[MatrixCell]] = {}
    for each in shown:
        why = closed_by(closures, ids[each.channel], each.sku_id, each.listing_id, enabled=each.enabled)
        cells.setdefault(each.sku_id, []).append(MatrixCell(each, states[each.listing_id], why))
    return tuple(_row(row, cells) for row in found)


def _row(row: Record, cells: Mapping[SkuId, list[MatrixCell]]) -> MatrixRow:
    return MatrixRow(
        sku_ref=row["sku_ref"],
        title=row["title"],
        tags=tuple(row["tags"]),
        free=row["free"],
        sold_per_day=row["per_day"],
        cover_days=days_of_cover(row["free"], row["per_day"]) if row["per_day"] > 0 else None,
        cells=tuple(cells.get(SkuId(row["sku_id"]), ())),
    )
