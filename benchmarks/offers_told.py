"""Measures how soon all other channels have acknowledged a sale, with the daemon at work and sandbox markets.

The floor is what the markets themselves take: the same connectors telling the same two markets one offer,
with nothing around it, in turns with the sales.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.offers_stand import SQL
from benchmarks.stand import Stand
from connectors.kit.abilities import PublishesOffers
from core.money.money import Money
from core.types import ListingRef, OfferWanted, SkuId
from scheduler.demo.markets import listing_ref_of
from tests.e2e.house import House, buy, open_house

_SKUS = 40
_CODES = 400
# Sales wait a little for each other, so that no channel's limit for requests is what is measured.
_BETWEEN_SECONDS = 0.15
_LONGEST_SECONDS = 20.0
_LOOK_SECONDS = 0.01


@dataclass(slots=True)
class _Told:
    """Seconds until all others had acknowledged, by sale; and what the markets alone took."""

    sales: list[float] = field(default_factory=list)
    floor: list[float] = field(default_factory=list)


async def told(stand: Stand, sales: int) -> AsyncIterator[Figure]:
    """So many sales on the channel that asks us before it sells; each is waited for at the two others."""
    found = _Told()
    with tempfile.TemporaryDirectory(prefix="consignd-bench-") as folder:
        async with (
            stand.empty() as dsn,
            open_house(dsn, Path(folder), skus=_SKUS, codes=_CODES, written=_STOCK) as house,
        ):
            await house.core.pool.execute(SQL["watch_answers"])
            for number in range(sales):
                await asyncio.sleep(_BETWEEN_SECONDS)
                found.floor.append(await _floor(house))
                found.sales.append(await _sale(house, number % (_SKUS - 1)))
    for name, measured, floor in (
        ("median", statistics.median(found.sales), statistics.median(found.floor)),
        ("99th percentile", _p99(found.sales), _p99(found.floor)),
    ):
        what = f"one sale to all others acknowledged, {name}"
        ratio = measured / floor
        note = f"{sales} sales, one after the other; baseline: the markets' own round trip"
        yield Figure(what, 1000 * measured, 1000 * floor, "ms", ratio, None, at_most=True, note=note)


# Each channel shows all there is: so every sale has to be told to both others.
_STOCK = "\n[stock]\nbound = 3\n"


async def _sale(house: House, number: int) -> float:
    """From the commit of the sale to the last acknowledgement, by the database's clock."""
    pool, market = house.core.pool, house.markets.eneba
    sku_id = SkuId(await pool.fetchval("SELECT sku_id FROM sku WHERE sku_ref = $1", f"GAME-EUR-20-{number}"))
    channel_id = house.channels.by_name["eneba"].terms.channel_id
    before: datetime | None = await pool.fetchval(SQL["last_mark"], sku_id)
    await buy(market, number)
    marked_at: datetime = await pool.fetchval(SQL["last_mark"], sku_id)
    assert marked_at is not None, "a sale leaves a mark"
    assert marked_at != before, "each sale leaves one of its own"
    deadline = time.monotonic() + _LONGEST_SECONDS
    while True:
        row = await pool.fetchrow(SQL["answers"], sku_id, channel_id, marked_at)
        assert row is not None
        if row["answered"] == 2:
            return float(row["seconds"])
        assert time.monotonic() < deadline, f"sale {number} was not told to all others"
        await asyncio.sleep(_LOOK_SECONDS)


async def _floor(house: House) -> float:
    """One offer to each of the two others at once, the same that they show already."""
    started = time.perf_counter()
    await asyncio.gather(*(_tell(house, name) for name in ("kinguin", "woocommerce")))
    return time.perf_counter() - started


async def _tell(house: House, name: str) -> None:
    market, connector = house.markets.by_name[name], house.channels.by_name[name].connector
    assert isinstance(connector, PublishesOffers)
    shown = market.listings[ListingRef(listing_ref_of(market, _SKUS - 1))]
    price = Money(shown.price_minor, "EUR")
    offer = OfferWanted(shown.listing_ref, shown.quantity, price, price, True, price_changed=False)
    results = await connector.publish_offers([offer])
    assert len(results) == 1


def _p99(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=100)[98] if len(values) > 1 else values[0]
