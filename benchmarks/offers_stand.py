"""Makes what offers are measured on: channels, SKUs with codes, listings that are told, and their terms."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from benchmarks.stand import PLAN, Stand
from core.db.pool import Connection, Pool, open_pool
from core.db.queries import load_queries
from core.money.ledger import publish_plan
from core.offers.closures.closed import Closures, read_closures
from core.offers.matching import SkuMatch
from core.offers.planning import OfferRow
from core.offers.price.book import PriceBook, PriceLayer, Rounding, SkuPriceLayer
from core.offers.price.rule import Pressure, StaleRung, StockRung
from core.offers.pricing.listing_prices import PriceCase, decide_all, read_cases
from core.offers.sku_facts import read_stocks
from core.offers.stock.rules import StockRule
from core.offers.terms import ChannelTerms, Shortage
from core.types import ChannelId, PriceBasis, SkuId

SQL = load_queries("benchmarks", "offers.sql")
_STAND_SQL = load_queries("benchmarks", "stand.sql")
_REPRICING = load_queries("core.offers.pricing", "repricing.sql")
# What each listing shows; so many codes for every channel, so that none is promised twice.
SHOWN = 5
_FILL_SECONDS = 1800.0
# A margin, an ending and the stock-pressure ladder: what an operator of many listings writes.
BOOK = PriceBook(
    everywhere=PriceLayer(floor_margin_ppm=30_000, rounding=Rounding(10, 9)),
    by_sku=(
        SkuPriceLayer(
            SkuMatch(tags=frozenset({"card"})),
            PriceLayer(
                pressure=Pressure(
                    stock=(StockRung(30_000, below_ppm=100_000), StockRung(-50_000, above_ppm=2_000_000)),
                    stale=(StaleRung(-80_000, timedelta(days=30)),),
                ),
                place="price.tags",
                label="card",
            ),
        ),
    ),
    channel=PriceLayer(markup_ppm=20_000, place="channels.shop.price"),
)


@dataclass(frozen=True, slots=True)
class Shops:
    """Channels whose every listing shows what it should."""

    pool: Pool
    terms: tuple[ChannelTerms, ...]
    listings: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some listings with the facts of their prices."""

    cases: Sequence[PriceCase]
    closures: Closures


@asynccontextmanager
async def open_shops(stand: Stand, channels: int, skus: int) -> AsyncIterator[Shops]:
    """So many channels with so many SKUs each, in a database of its own."""
    async with stand.empty() as dsn:
        pool = await open_pool(dsn, application_name="bench")
        try:
            async with pool.acquire() as conn:
                await _fill(conn, channels, skus)
                terms = await _terms(conn)
            shops = Shops(pool, terms, channels * skus)
            await _settle_prices(shops)
            await pool.execute(_STAND_SQL["settle"])
            yield shops
        finally:
            pool.terminate()


async def facts_of(shops: Shops, terms: ChannelTerms, now: datetime, chunk_skus: int) -> AsyncIterator[Chunk]:
    """The facts that a channel's prices are made of, a chunk of SKUs at a time, as repricing reads them."""
    last, pool = SkuId(0), shops.pool
    while found := await pool.fetch(_REPRICING["next_skus"], terms.channel_id, last, chunk_skus):
        sku_ids = [SkuId(row["sku_id"]) for row in found]
        async with pool.acquire() as conn:
            offers = await conn.fetch(_REPRICING["offers_of_channel"], terms.channel_id, sku_ids)
            rows = [OfferRow.read(row) for row in offers]
            ids = [row.listing_id for row in rows]
            await conn.fetch(_REPRICING["last_worked_out"], ids)
            stocks = await read_stocks(conn, sku_ids, now)
            closures = await read_closures(conn, sku_ids, ids)
            cases = await read_cases(conn, rows, stocks, {terms.channel_id: terms}, now)
        yield Chunk(cases, closures)
        last = sku_ids[-1]


async def _fill(conn: Connection, channels: int, skus: int) -> None:
    await conn.execute(SQL["add_channels"], channels)
    await conn.execute(SQL["add_skus"], skus)
    await conn.execute(_STAND_SQL["add_codes"], SHOWN * channels)
    await conn.execute(SQL["add_offers"])
    await conn.execute(_STAND_SQL["settle"])


async def _terms(conn: Connection) -> tuple[ChannelTerms, ...]:
    plan_id, plan = await publish_plan(conn, PLAN)
    first = ChannelTerms(
        channel_id=ChannelId(0),
        name="",
        currency="EUR",
        plan_id=plan_id,
        plan=plan,
        stock=StockRule(),
        price=BOOK,
        shortage=Shortage.WAIT,
        written_price=PriceBasis.GROSS,
        reservation_is_authoritative=False,
        takes_partial_orders=False,
        hold=timedelta(minutes=30),
        min_validity=timedelta(0),
        largest_quantity=1_000_000,
    )
    rows = await conn.fetch(SQL["channels"])
    return tuple(replace(first, channel_id=ChannelId(row["channel_id"]), name=row["name"]) for row in rows)


async def _settle_prices(shops: Shops) -> None:
    """Have every listing show what its rules say, so that nothing has to be told."""
    now = datetime.now(UTC)
    for terms in shops.terms:
        async for chunk in facts_of(shops, terms, now, 1000):
            ids = {case.row.listing_id for case in chunk.cases}
            plans = decide_all(chunk.cases, chunk.closures, ids)
            shown = [(listing_id, plan.shown) for listing_id, plan in plans.items() if plan.shown is not None]
            await shops.pool.execute(
                SQL["set_prices"],
                [listing_id for listing_id, _ in shown],
                [price.gross.amount_minor for _, price in shown],
                [price.net.amount_minor for _, price in shown],
            )
