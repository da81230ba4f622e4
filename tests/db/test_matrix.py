"""The stock matrix: what is wrong with a listing, in which order SKUs stand, and which are left out."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from core.db.pool import Pool
from core.offers.closures.switches import Scope, Switch, stop
from core.views.guard import reach_of
from core.views.matrix import MatrixFilter, MatrixOrder, MatrixPage, Trouble, matrix_page
from tests.factories import NOW, Shop, add_listing, add_shop

T = Trouble


async def look(pool: Pool, wanted: MatrixFilter | None = None, page: int = 1, size: int = 40) -> MatrixPage:
    async with pool.acquire() as conn:
        return await matrix_page(conn, wanted or MatrixFilter(), NOW, page=page, size=size)


async def troubles(pool: Pool) -> list[tuple[Trouble, ...]]:
    return [cell.troubles for row in (await look(pool)).rows for cell in row.cells]


async def sold(pool: Pool, shop: Shop, units: float, since: datetime = NOW - timedelta(days=200)) -> None:
    await pool.execute(
        "INSERT INTO selling (sku_id, channel_id, quick_units, slow_units, slow_lines, counted_at,"
        " first_sold_at, last_sold_at) VALUES ($1, $2, 0, $3, $3, $4, $5, $4)",
        shop.sku_id,
        shop.channel_id,
        units,
        NOW,
        since,
    )


@pytest.mark.parametrize(
    ("change", "trouble"),
    [
        ("refusal = 'no'", T.REFUSED),
        ("doubt_quantity = 3", T.IN_DOUBT),
        ('why = \'{"price_state": "no_rate", "quantity": []}\'', T.NO_PRICE),
        ('why = \'{"price_state": "priced", "quantity": [{"rule": "held back"}]}\'', T.HELD_BACK),
        ("observed_quantity = 6", T.DRIFTED),
        ("observed_price_minor = 1950", T.DRIFTED),
        ("observed_price_minor = 1950, observed_net_minor = 1700, published_net_minor = 1750", T.DRIFTED),
    ],
)
async def test_what_is_wrong_with_an_offer_is_named(pool: Pool, change: str, trouble: Trouble) -> None:
    await add_shop(pool, codes=5)
    await pool.execute(
        "UPDATE offer SET published_quantity = 5, observed_quantity = 5, published_on = true,"
        " observed_on = true,"
        " published_price_minor = 2000, observed_price_minor = 2000, published_at = $1, observed_at = $1,"
        " acked_version = dirty_version",
        NOW,
    )
    assert await troubles(pool) == [()]
    await pool.execute("UPDATE offer SET " + change)
    assert await troubles(pool) == [(trouble,)]
    assert (await look(pool, MatrixFilter(trouble=trouble))).skus == 1
    assert (await look(pool, MatrixFilter(trouble="any"))).skus == 1
    assert (await look(pool, MatrixFilter(trouble=T.PAUSED))).rows == ()


async def test_a_price_that_the_channel_reckons_by_itself_is_no_drift(pool: Pool) -> None:
    await add_shop(pool, codes=5)
    await pool.execute(
        "UPDATE offer SET published_price_minor = 2000, observed_price_minor = 1950,"
        " published_net_minor = 1750,"
        " observed_net_minor = 1750, published_at = $1, observed_at = $1, acked_version = dirty_version",
        NOW,
    )
    assert await troubles(pool) == [()]


async def test_what_was_sold_there_meanwhile_is_no_drift(pool: Pool) -> None:
    await add_shop(pool, codes=5)
    await pool.execute(
        "UPDATE offer SET published_quantity = 5, observed_quantity = 3, published_at = $1, observed_at = $1,"
        " acked_version = dirty_version",
        NOW,
    )
    assert await troubles(pool) == [()]


@pytest.mark.parametrize("scope", Scope)
async def test_what_is_stopped_says_by_whom(pool: Pool, scope: Scope) -> None:
    shop, other = await add_shop(pool, codes=1), await add_shop(pool, codes=1)
    ref = await pool.fetchval("SELECT sku_ref FROM sku WHERE sku_id = $1", shop.sku_id)
    switch = Switch(scope, {Scope.EVERYTHING: "", Scope.CHANNEL: shop.channel, Scope.SKU: ref}[scope])
    async with pool.acquire() as conn, conn.transaction():
        before = await reach_of(conn, switch)
        await stop(conn, switch, actor="ann", reason="a leak", at=NOW)
        after = await reach_of(conn, switch)
    listings = 2 if scope is Scope.EVERYTHING else 1
    assert (before.known, before.stopped, after.stopped, after.listings) == (True, False, True, listings)
    cells = {cell.listing.listing_id: cell for row in (await look(pool)).rows for cell in row.cells}
    assert cells[shop.listing_id].troubles == (T.STOPPED,)
    assert cells[shop.listing_id].closed_by == "stopped by ann: a leak"
    assert cells[other.listing_id].troubles == ((T.STOPPED,) if scope is Scope.EVERYTHING else ())


async def test_a_switch_of_what_is_not_there_reaches_nothing(pool: Pool) -> None:
    async with pool.acquire() as conn:
        reach = await reach_of(conn, Switch(Scope.SKU, "unheard"))
    assert (reach.known, reach.listings, reach.on_sale) == (False, 0, 0)


async def test_the_shortest_cover_comes_first_and_what_does_not_sell_last(pool: Pool) -> None:
    slow, quick, still = [await add_shop(pool, codes=10) for _ in range(3)]
    await sold(pool, slow, 1)
    await sold(pool, quick, 100)
    page = await look(pool, MatrixFilter(order=MatrixOrder.COVER))
    assert [row.cells[0].listing.sku_id for row in page.rows] == [quick.sku_id, slow.sku_id, still.sku_id]
    first, second, third = (row.cover_days for row in page.rows)
    assert third is None
    assert first is not None
    assert second is not None
    assert second == pytest.approx(100 * first)
    # A steady sale of one unit a day would have gathered 7 / ln 2 units by now.
    assert page.rows[0].sold_per_day == pytest.approx(100 * 0.6931 / 7, rel=1e-3)


async def test_the_worst_trouble_comes_first(pool: Pool) -> None:
    well, paused, refused = [await add_shop(pool, codes=1) for _ in range(3)]
    await pool.execute("UPDATE channel SET paused_at = now() WHERE channel_id = $1", paused.channel_id)
    await pool.execute("UPDATE offer SET refusal = 'no' WHERE listing_id = $1", refused.listing_id)
    page = await look(pool, MatrixFilter(order=MatrixOrder.TROUBLE))
    assert [row.cells[0].listing.sku_id for row in page.rows] == [refused.sku_id, paused.sku_id, well.sku_id]


async def test_pages_hold_every_sku_once_and_filters_look_at_signs_literally(pool: Pool) -> None:
    shops = [await add_shop(pool) for _ in range(5)]
    await add_listing(pool, shops[0].channel_id, shops[1].sku_id)
    await pool.execute("UPDATE sku SET title = '100% 卡' WHERE sku_id = $1", shops[3].sku_id)
    seen = [row.sku_ref for page in (1, 2, 3) for row in (await look(pool, page=page, size=2)).rows]
    assert len(set(seen)) == len(seen) == 5
    assert (await look(pool, size=2)).pages == 3
    assert [row.title for row in (await look(pool, MatrixFilter(text="% 卡"))).rows] == ["100% 卡"]
    assert (await look(pool, MatrixFilter(channel=shops[0].channel))).skus == 2
    assert (await look(pool, page=9)).rows == ()
