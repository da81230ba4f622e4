"""Counts by slot numbers agree with counting code by code, whatever happened to the codes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.codes.allocator import Allocator, Place
from core.db.pool import Pool
from core.errors import UnknownChannel, UnknownOrder, UnknownSku
from core.orders.orders import load_order, move_orders
from core.types import Lane, OrderId, OrderState, SkuId
from core.views.changes import changed, read_marks
from core.views.channels import channel, channels
from core.views.ledger import balances, explain_order
from core.views.orders import OrderFilter, order_detail, order_page, orders_per_minute, recent_moves
from core.views.overview import stock_overview
from core.views.stock import SkuCounts, listings, sku_detail, sku_page
from tests.factories import NOW, Shop, add_codes, add_consignor, add_shop, request

BY_HAND = """
WITH every AS (
    SELECT code.origin_slot, shelf.expires_at, departure.kind, open_order.order_id AS open_id,
        allocation.order_id AS taken_by
    FROM shelf
    JOIN code USING (lane, shelf_id)
    LEFT JOIN allocation USING (lane, shelf_id, slot)
    LEFT JOIN departure USING (lane, shelf_id, slot)
    LEFT JOIN open_order USING (order_id)
    WHERE shelf.sku_id = $1
)
SELECT
    count(*) FILTER (WHERE origin_slot IS NULL)::int AS imported,
    count(*) FILTER (WHERE kind = 'quarantined')::int AS quarantined,
    count(*) FILTER (WHERE kind = 'withdrawn')::int AS withdrawn,
    count(*) FILTER (WHERE kind IS NULL AND taken_by IS NULL AND expires_at > $2)::int AS available,
    count(*) FILTER (WHERE kind IS NULL AND taken_by IS NULL AND expires_at <= $2)::int AS expired,
    count(*) FILTER (WHERE kind IS NULL AND open_id IS NOT NULL)::int AS reserved,
    count(*) FILTER (WHERE kind IS NULL AND taken_by IS NOT NULL AND open_id IS NULL)::int AS delivered
FROM every
"""


async def by_hand(pool: Pool, sku_id: SkuId) -> SkuCounts:
    row = await pool.fetchrow(BY_HAND, sku_id, NOW)
    assert row is not None
    return SkuCounts(**dict(row))


async def counted(pool: Pool, shop: Shop) -> SkuCounts:
    ref = await pool.fetchval("SELECT sku_ref FROM sku WHERE sku_id = $1", shop.sku_id)
    async with pool.acquire() as conn:
        return (await sku_detail(conn, NOW, ref)).sku.counts


@pytest.fixture
def allocator(pool: Pool) -> Allocator:
    return Allocator(pool, lambda: NOW)


async def deliver(pool: Pool, order_id: int) -> None:
    async with pool.acquire() as conn, conn.transaction():
        order = await load_order(conn, OrderId(order_id))
        (order,) = await move_orders(conn, [order], OrderState.DELIVERING, now=NOW, actor="test")
        await move_orders(conn, [order], OrderState.DELIVERED, now=NOW, actor="test")


async def test_counts_agree_with_counting_by_hand_after_a_full_life(pool: Pool, allocator: Allocator) -> None:
    shop = await add_shop(pool, codes=20)
    owner = await add_consignor(pool)
    await add_codes(pool, shop.sku_id, 15, consignor_id=owner, expires_at=NOW + timedelta(days=9))
    await add_codes(pool, shop.sku_id, 7, expires_at=NOW - timedelta(days=1))
    sold = await allocator.reserve(request(shop, quantity=6))
    kept = await allocator.reserve(request(shop, quantity=5, state=OrderState.RESERVED))
    let_go = await allocator.reserve(request(shop, quantity=4, state=OrderState.RESERVED))
    await deliver(pool, sold.order_id)
    async with pool.acquire() as conn, conn.transaction():
        order = await load_order(conn, let_go.order_id)
        await move_orders(conn, [order], OrderState.RELEASED, now=NOW, actor="test")
        await allocator.give_back(conn, [let_go.order_id], [shop.lane], actor="test", reason="unpaid")
        await allocator.withdraw(
            conn, shop.lane, shop.sku_id, owner, batch_id=None, at_most=2, actor="test", reason="back"
        )
        for row in await conn.fetch("SELECT * FROM allocation WHERE order_id = $1 LIMIT 2", sold.order_id):
            place = Place(Lane(row["lane"]), row["shelf_id"], row["slot"])
            await allocator.quarantine(conn, place, shop.sku_id, actor="test", reason="bad")
    counts = await counted(pool, shop)
    assert counts == await by_hand(pool, shop.sku_id)
    assert (counts.reserved, counts.delivered, counts.quarantined, counts.expired) == (5, 4, 2, 7)
    parts = (
        counts.available,
        counts.reserved,
        counts.delivered,
        counts.quarantined,
        counts.expired,
        counts.withdrawn,
    )
    assert counts.imported == sum(parts) == 42
    assert kept.order_id != sold.order_id


async def test_a_sku_without_codes_counts_nothing(pool: Pool) -> None:
    shop = await add_shop(pool)
    assert await counted(pool, shop) == SkuCounts()


async def test_skus_are_found_literally_and_page_by_page(pool: Pool) -> None:
    await pool.execute(
        "INSERT INTO sku (lane, sku_ref, title)"
        " VALUES (0, 'A_1', '100 % off'), (0, 'AB1', 'plain'), (0, 'Z', 'z')"
    )
    async with pool.acquire() as conn:
        assert [sku.sku_ref for sku in (await sku_page(conn, NOW, text="a_1")).skus] == ["A_1"]
        assert [sku.sku_ref for sku in (await sku_page(conn, NOW, text="100 %")).skus] == ["A_1"]
        first = await sku_page(conn, NOW, limit=2)
        assert [sku.sku_ref for sku in first.skus] == ["AB1", "A_1"]
        assert first.next_after == "A_1"
        rest = await sku_page(conn, NOW, after=first.next_after, limit=2)
    assert ([sku.sku_ref for sku in rest.skus], rest.next_after) == (["Z"], None)


async def test_an_offer_nobody_has_worked_out_yet_is_shown_as_unknown(pool: Pool) -> None:
    shop = await add_shop(pool, codes=1)
    async with pool.acquire() as conn:
        (listing,) = await listings(conn, channel=shop.channel)
    assert (listing.wanted.quantity, listing.observed.at, listing.why, listing.dirty) == (
        None,
        None,
        None,
        True,
    )


async def test_a_search_that_finds_nothing_yet_says_where_to_go_on(pool: Pool, allocator: Allocator) -> None:
    shop = await add_shop(pool, codes=3)
    sold = await allocator.reserve(request(shop))
    async with pool.acquire() as conn:
        page = await order_page(conn, OrderFilter(state=OrderState.REFUNDED), limit=1)
        assert (page.orders, page.next_before) == ((), None)
        page = await order_page(conn, OrderFilter(state=OrderState.ACCEPTED), limit=1)
        assert [order.order_id for order in page.orders] == [sold.order_id]
        assert (await order_page(conn, before=sold.order_id)).orders == ()


async def test_an_orders_life_is_told_from_its_arrival(pool: Pool, allocator: Allocator) -> None:
    shop = await add_shop(pool, codes=3)
    sold = await allocator.reserve(request(shop, quantity=2))
    await deliver(pool, sold.order_id)
    async with pool.acquire() as conn:
        detail = await order_detail(conn, sold.order_id)
        latest = await recent_moves(conn)
        minutes = await orders_per_minute(conn, NOW, minutes=3)
    assert [move.to_state for move in detail.moves] == ["accepted", "delivering", "delivered"]
    assert [code.departed for code in detail.codes] == [None, None]
    assert [move.move.to_state for move in latest] == ["delivered", "delivering", "accepted"]
    assert [minute.orders for minute in minutes] == [0, 0, 1]


async def test_what_is_not_there_is_named_as_such(pool: Pool) -> None:
    async with pool.acquire() as conn:
        with pytest.raises(UnknownOrder):
            await order_detail(conn, OrderId(1))
        with pytest.raises(UnknownOrder):
            await explain_order(conn, OrderId(1))
        with pytest.raises(UnknownSku):
            await sku_detail(conn, NOW, "unheard")
        with pytest.raises(UnknownChannel):
            await channel(conn, NOW, "unheard")
        assert await balances(conn) == ()


async def test_a_channel_tells_who_drives_it_and_how_it_is(pool: Pool) -> None:
    shop = await add_shop(pool, codes=1)
    await pool.execute(
        "INSERT INTO lease VALUES ($1, 'a', 1, $2)", shop.channel_id, NOW + timedelta(seconds=9)
    )
    await pool.execute(
        "INSERT INTO channel_health VALUES ($1, 'push', false, 'away', $2, $2)", shop.channel_id, NOW
    )
    async with pool.acquire() as conn:
        view = await channel(conn, NOW, shop.channel)
        later = await channels(conn, NOW + timedelta(seconds=10))
    assert (view.driven_by, view.listings, view.dirty, view.health[0].detail) == ("a", 1, 1, "away")
    assert later[0].driven_by is None


async def test_the_whole_stock_is_summed_and_the_least_named_first(pool: Pool) -> None:
    await add_shop(pool, codes=9)
    await add_shop(pool, codes=2)
    await add_shop(pool)
    async with pool.acquire() as conn:
        overview = await stock_overview(conn, NOW, fewest=2)
    assert (overview.free, [sku.free for sku in overview.least]) == (11, [0, 2])


async def test_marks_differ_in_the_parts_that_changed(pool: Pool, allocator: Allocator) -> None:
    shop = await add_shop(pool, codes=3)
    async with pool.acquire() as conn:
        before = await read_marks(conn)
        await allocator.reserve(request(shop))
        await conn.execute("UPDATE channel SET paused_at = now()")
        after = await read_marks(conn)
    assert {"orders", "channels"} <= set(changed(before, after))
    assert "money" not in changed(before, after)
