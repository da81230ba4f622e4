"""Measures recalculating every price of many listings, against the engine and the reading each by itself."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from benchmarks.figures import Figure
from benchmarks.offers_stand import SQL, Shops, facts_of
from core.offers.pricing.listing_prices import decide_all
from core.offers.pricing.repricing import CHUNK_SKUS, Repricing

# Work that has to be done whoever writes it: how near the whole comes to its two halves added up.
_NEAR = 0.8


async def recalculation(shops: Shops) -> AsyncIterator[Figure]:
    """Channel by channel in turns: the facts alone, the engine alone on them, and the product's own round."""
    reading = deciding = product = 0.0
    for terms in shops.terms:
        now = datetime.now(UTC)
        started = time.perf_counter()
        chunks = [chunk async for chunk in facts_of(shops, terms, now, CHUNK_SKUS)]
        reading += time.perf_counter() - started
        started = time.perf_counter()
        for chunk in chunks:
            decide_all(chunk.cases, chunk.closures, {case.row.listing_id for case in chunk.cases})
        deciding += time.perf_counter() - started
        del chunks
        started = time.perf_counter()
        done = await Repricing(shops.pool, terms).all(now)
        product += time.perf_counter() - started
        assert done.looked_at == shops.listings // len(shops.terms), done
        assert done.differing == 0, f"{done.differing} prices moved although nothing did"
    marked: int = await shops.pool.fetchval(SQL["marked"])
    assert marked == 0, f"{marked} offers were marked although nothing moved"
    listings, what = shops.listings, f"recalculation of {shops.listings:,} prices"
    note = f"{product:.1f} s; {1e6 * product / listings:.0f} µs a listing"
    rate, halves = listings / product, listings / (reading + deciding)
    yield Figure(
        f"{what}, against facts and engine", rate, halves, "listings/s", rate / halves, _NEAR, note=note
    )
    note = f"{1e6 * deciding / listings:.0f} µs a listing"
    yield Figure(
        f"{what}, against the engine alone",
        rate,
        listings / deciding,
        "listings/s",
        rate * deciding / listings,
        None,
        note=note,
    )
    note = f"{1e6 * reading / listings:.0f} µs a listing"
    yield Figure(
        f"{what}, against reading the facts",
        rate,
        listings / reading,
        "listings/s",
        rate * reading / listings,
        None,
        note=note,
    )
