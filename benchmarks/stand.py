"""Makes what is measured on: a durable server in a folder of its own, and databases full of codes."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import asyncpg

from core.db.embedded import EmbeddedServer
from core.db.migrate import migrate
from core.db.pool import Connection, Pool, open_pool
from core.db.queries import load_queries
from core.money.ledger import publish_plan
from core.money.plans.rules import Base
from core.money.plans.stored import EarlyRule, early_plan
from core.offers.price.book import PriceBook
from core.offers.stock.rules import StockRule
from core.offers.terms import ChannelTerms, Shortage
from core.types import ChannelId, Lane, ListingId, PriceBasis, ShelfId, SkuId

_SQL = load_queries("benchmarks", "stand.sql")
_FOLDER_MODE = 0o711  # root's server runs as another user, who must pass through
_SEED_SECONDS = 1800.0
_NUMBERS = itertools.count(1)

PLAN = early_plan(
    "bench",
    1,
    (
        EarlyRule("channel", rate_ppm=125_000),
        EarlyRule("operator", base=Base.AFTER_CHANNEL, rate_ppm=50_000),
        EarlyRule("consignor", rest=True),
    ),
)


@dataclass(frozen=True, slots=True)
class Stock:
    """How a database is filled: so many SKUs over so many lanes, so many codes each."""

    name: str
    skus: int
    codes_each: int
    lanes: int


@dataclass(frozen=True, slots=True)
class Goods:
    """One SKU as it is listed."""

    listing_id: ListingId
    lane: Lane
    sku_id: SkuId
    shelf_id: ShelfId


@dataclass(frozen=True, slots=True)
class Market:
    """A database ready to sell from."""

    dsn: str
    pool: Pool
    terms: ChannelTerms
    goods: tuple[Goods, ...]

    async def check(self) -> None:
        """Refuse the measurement if anybody wrote other rows than whole sales."""
        row = await self.pool.fetchrow(_SQL["rows_written"])
        assert row is not None
        assert len({int(value) for value in row.values()}) == 1, f"not all wrote the same rows: {dict(row)}"
        still_open: int = await self.pool.fetchval(_SQL["still_open"])
        assert still_open == 0, f"{still_open} orders were left open"

    async def checkpoint(self) -> None:
        """Start the next measurement with a clean log, whoever went before."""
        await self.pool.execute(_SQL["checkpoint"])


@dataclass(frozen=True, slots=True)
class Stand:
    """The server. Databases are cloned from a filled one, so that every measurement starts alike."""

    dsn: str

    def dsn_of(self, database: str) -> str:
        """The DSN of another database on this server."""
        return self.dsn.replace("@/consignd?", f"@/{database}?")

    async def fill(self, stock: Stock) -> None:
        """Make the database that others are cloned from."""
        await self._order(f"CREATE DATABASE {stock.name}")
        conn: Connection = await asyncpg.connect(self.dsn_of(stock.name))
        try:
            await migrate(conn)
            await conn.execute(_SQL["add_market"], stock.skus, stock.lanes)
            await conn.execute(_SQL["add_codes"], stock.codes_each, timeout=_SEED_SECONDS)
            await conn.execute(_SQL["settle"], timeout=_SEED_SECONDS)
        finally:
            await conn.close()
        await self._order(_SQL["checkpoint"])

    @asynccontextmanager
    async def market(self, stock: Stock) -> AsyncIterator[Market]:
        """A fresh clone to sell from; dropped afterwards."""
        name = f"{stock.name}_{next(_NUMBERS)}"
        await self._order(f"CREATE DATABASE {name} TEMPLATE {stock.name} STRATEGY file_copy")
        pool = await open_pool(self.dsn_of(name), application_name="bench")
        try:
            yield await _open_market(self.dsn_of(name), pool)
        finally:
            pool.terminate()
            await self._order(f"DROP DATABASE {name} WITH (FORCE)")

    @asynccontextmanager
    async def empty(self) -> AsyncIterator[str]:
        """A migrated database with nothing in it; dropped afterwards."""
        name = f"empty_{next(_NUMBERS)}"
        await self._order(f"CREATE DATABASE {name}")
        try:
            conn: Connection = await asyncpg.connect(self.dsn_of(name))
            try:
                await migrate(conn)
            finally:
                await conn.close()
            yield self.dsn_of(name)
        finally:
            await self._order(f"DROP DATABASE {name} WITH (FORCE)")

    @asynccontextmanager
    async def pool(self) -> AsyncIterator[Pool]:
        """Connections to a migrated database with nothing in it; dropped afterwards."""
        async with self.empty() as dsn:
            pool = await open_pool(dsn, application_name="bench")
            try:
                yield pool
            finally:
                pool.terminate()

    async def _order(self, statement: str) -> None:
        conn: Connection = await asyncpg.connect(self.dsn)
        try:
            await conn.execute(statement, timeout=_SEED_SECONDS)
        finally:
            await conn.close()


@asynccontextmanager
async def open_stand() -> AsyncIterator[Stand]:
    """A durable server that is stopped, and whose folder is removed, at the end."""
    with tempfile.TemporaryDirectory(prefix="consignd-bench-") as folder:
        os.chmod(folder, _FOLDER_MODE)
        server = EmbeddedServer(Path(folder, "data"), durable=True)
        try:
            yield Stand(await server.start())
        finally:
            await server.stop()


async def _open_market(dsn: str, pool: Pool) -> Market:
    async with pool.acquire() as conn:
        plan_id, plan = await publish_plan(conn, PLAN)
        rows = await conn.fetch(_SQL["goods"])
    terms = ChannelTerms(
        channel_id=ChannelId(rows[0]["channel_id"]),
        name="bench",
        currency="EUR",
        plan_id=plan_id,
        plan=plan,
        stock=StockRule(),
        price=PriceBook(),
        shortage=Shortage.WAIT,
        written_price=PriceBasis.GROSS,
        reservation_is_authoritative=True,
        takes_partial_orders=False,
        hold=timedelta(minutes=30),
        min_validity=timedelta(0),
        largest_quantity=10,
    )
    goods = tuple(Goods(row["listing_id"], row["lane"], row["sku_id"], row["shelf_id"]) for row in rows)
    return Market(dsn, pool, terms, goods)
