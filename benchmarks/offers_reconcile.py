"""Measures a full reconcile of many listings on many channels: calls against the fewest possible; time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime

from benchmarks.figures import Figure
from benchmarks.light_shop import LightShop, Product
from benchmarks.offers_stand import SHOWN, SQL, Shops
from connectors.kit.connector import Account
from connectors.woocommerce import WooCommerce
from core.offers.drift.reconciling import Reconciliation
from core.offers.outbox import Outbox
from core.offers.stock.rules import StockPolicy
from core.offers.terms import ChannelTerms
from scheduler.loops.push import Pusher
from scheduler.loops.reconcile import Reconciler

# So many products of each shop were counted up by hand, and are told again.
_EDITED_ONE_IN = 50


async def reconcile(shops: Shops) -> AsyncIterator[Figure]:
    """All channels at once, as the daemon does: read all back, judge it, tell again what was edited."""
    async with AsyncExitStack() as stack:
        opened = [await _open(stack, shops, terms) for terms in shops.terms]
        outbox = Outbox(shops.pool, {terms.channel_id: terms for terms in shops.terms}, StockPolicy(), _now)
        started = time.perf_counter()
        await asyncio.gather(
            *(
                _round(shops, outbox, terms, connector)
                for terms, (_, connector) in zip(shops.terms, opened, strict=True)
            )
        )
        seconds = time.perf_counter() - started
        markets = [shop for shop, _ in opened]
    listings = shops.listings
    wrong = sum(product.quantity != SHOWN for shop in markets for product in shop.products.values())
    assert wrong == 0, f"{wrong} products still show what was edited by hand"
    reads, least = sum(shop.reads for shop in markets), sum(shop.least_reads() for shop in markets)
    what = f"full reconcile of {listings:,} listings on {len(markets)} channels"
    note = f"{seconds:.1f} s, {1000 * seconds / listings:.2f} s for 1,000 listings"
    yield Figure(f"{what}: calls to read", reads, least, "calls", reads / least, 1, at_most=True, note=note)
    writes, fewest = (
        sum(shop.writes for shop in markets),
        sum(-(-_edited(shop) // _BATCH) for shop in markets),
    )
    yield Figure(
        f"{what}: calls to repair",
        writes,
        fewest,
        "calls",
        writes / fewest,
        1,
        at_most=True,
        note=f"{sum(map(_edited, markets)):,} edited by hand",
    )


_BATCH = WooCommerce.offers_per_call


async def _open(stack: AsyncExitStack, shops: Shops, terms: ChannelTerms) -> tuple[LightShop, WooCommerce]:
    rows = await shops.pool.fetch(SQL["shown"], terms.channel_id)
    products = {
        int(row["listing_ref"]): Product(row["published_quantity"], row["published_price_minor"])
        for row in rows
    }
    for place, product in enumerate(products.values()):
        product.quantity += 3 if place % _EDITED_ONE_IN == 0 else 0
    shop = await stack.enter_async_context(LightShop(products))
    connector = WooCommerce.open(Account(terms.name, terms.currency, shop.options(), _now))
    return shop, await stack.enter_async_context(connector)


async def _round(shops: Shops, outbox: Outbox, terms: ChannelTerms, connector: WooCommerce) -> None:
    judged = Reconciliation(shops.pool, _now)
    await Reconciler(outbox, judged, terms, connector, _now, None, _nobody).reconcile()
    await Pusher(outbox, terms, connector, connector.traits).push()


def _edited(shop: LightShop) -> int:
    return -(-len(shop.products) // _EDITED_ONE_IN)


def _now() -> datetime:
    return datetime.now(UTC)


def _nobody() -> None:
    """The push follows by itself here."""
