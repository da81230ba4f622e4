"""Tells what an operator looks at first: how many codes are free in all, and where there are fewest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from core.db.pool import Connection
from core.db.queries import load_queries

_LEAST_STOCK = load_queries("core.views", "overview.sql")["least_stock"]


@dataclass(frozen=True, slots=True)
class FreeCodes:
    """How many codes of a listed SKU are free to sell."""

    sku_ref: str
    title: str
    free: int


@dataclass(frozen=True, slots=True)
class StockOverview:
    """All free codes of listed SKUs, and the SKUs that have fewest."""

    free: int
    least: tuple[FreeCodes, ...]


async def stock_overview(conn: Connection, now: datetime, fewest: int = 8) -> StockOverview:
    """The state of the whole stock; looks at every listed SKU, so not for every request of many."""
    every = [FreeCodes(**dict(row)) for row in await conn.fetch(_LEAST_STOCK, now)]
    return StockOverview(sum(sku.free for sku in every), tuple(every[:fewest]))
