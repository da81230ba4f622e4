"""Moves what offers are made of out of the database, many SKUs at a time: stock, prices, facts, sales."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from core.db.pool import Connection, Record
from core.db.queries import load_queries
from core.money.money import Money
from core.offers.history.selling import read_selling
from core.offers.matching import SkuFacts
from core.offers.planning import ShelfStock, SkuStock
from core.types import SkuId

_SQL = load_queries("core.offers", "sku_facts.sql")
_FREE_CODES = _SQL["free_codes"]
_BASE_PRICES = _SQL["base_prices"]
_SKU_FACTS = _SQL["sku_facts"]


async def read_stocks(conn: Connection, sku_ids: Sequence[SkuId], now: datetime) -> dict[SkuId, SkuStock]:
    """Everything about SKUs that their offers depend on, whatever the channel."""
    shelves: dict[SkuId, list[ShelfStock]] = {sku_id: [] for sku_id in sku_ids}
    for row in await conn.fetch(_FREE_CODES, sku_ids, now):
        values = dict(row)
        shelves[SkuId(values.pop("sku_id"))].append(ShelfStock(**values))
    prices: dict[SkuId, dict[str, int]] = {sku_id: {} for sku_id in sku_ids}
    for row in await conn.fetch(_BASE_PRICES, sku_ids):
        prices[SkuId(row["sku_id"])][str(row["currency"])] = int(row["base_price_minor"])
    facts = {SkuId(row["sku_id"]): _facts(row) for row in await conn.fetch(_SKU_FACTS, sku_ids)}
    selling = await read_selling(conn, sku_ids, now)
    return {
        sku_id: SkuStock(tuple(shelves[sku_id]), prices[sku_id], facts[sku_id], selling[sku_id])
        for sku_id in sku_ids
    }


def _facts(row: Record) -> SkuFacts:
    face = row["face_value_minor"]
    return SkuFacts(
        tags=frozenset(row["tags"]),
        brand=row["brand"],
        kind=row["kind"],
        region=row["region"],
        face_value=None if face is None else Money(face, row["face_currency"]),
        sku_ref=row["sku_ref"],
    )
