"""Replacing invalid codes: of delivered orders alone, each linked to the very code that stands in for it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.codes.allocator import Allocator, Place
from core.db.pool import Pool
from core.errors import InvalidInput, MoveRefused, UnknownOrder
from core.orders.orders import load_order, move_orders
from core.orders.replacement import Replacements
from core.types import Lane, OrderId, OrderState, ShelfId
from tests.factories import NOW, Shop, add_codes, add_shop, request


@pytest.fixture
def allocator(pool: Pool) -> Allocator:
    return Allocator(pool, lambda: NOW)


@pytest.fixture
def replacements(pool: Pool, allocator: Allocator) -> Replacements:
    return Replacements(pool, allocator, lambda: NOW)


async def sell(pool: Pool, allocator: Allocator, shop: Shop, quantity: int) -> OrderId:
    """A delivered order of so many codes."""
    sold = await allocator.reserve(request(shop, quantity=quantity))
    async with pool.acquire() as conn, conn.transaction():
        order = await load_order(conn, sold.order_id)
        (order,) = await move_orders(conn, [order], OrderState.DELIVERING, now=NOW, actor="test")
        await move_orders(conn, [order], OrderState.DELIVERED, now=NOW, actor="test")
    return sold.order_id


async def places(pool: Pool, order_id: OrderId) -> list[Place]:
    """Where the codes of an order stand or stood."""
    rows = await pool.fetch(
        "SELECT lane, shelf_id, slot FROM allocation WHERE order_id = $1 ORDER BY shelf_id, slot", order_id
    )
    return [Place(Lane(row["lane"]), ShelfId(row["shelf_id"]), row["slot"]) for row in rows]


async def test_the_link_names_the_new_code_though_it_stands_on_an_earlier_shelf(
    pool: Pool, allocator: Allocator, replacements: Replacements
) -> None:
    shop = await add_shop(pool)
    long_lived = await add_codes(pool, shop.sku_id, 1, expires_at=NOW + timedelta(days=90))
    short_lived = await add_codes(pool, shop.sku_id, 2, expires_at=NOW + timedelta(days=9))
    order_id = await sell(pool, allocator, shop, 2)
    bad, good = await places(pool, order_id)
    assert bad.shelf_id == good.shelf_id == short_lived
    assert long_lived < short_lived
    new = await replacements.replace(order_id, bad, actor="anna", reason="used already")
    assert new == Place(shop.lane, long_lived, 1)
    row = await pool.fetchrow("SELECT action, actor, subject FROM audit")
    assert row is not None
    assert tuple(row) == ("replace", "anna", f"code {bad} of order {order_id} by {new}")


async def test_only_codes_of_delivered_orders_are_replaced(
    pool: Pool, allocator: Allocator, replacements: Replacements
) -> None:
    shop = await add_shop(pool, codes=3)
    kept = await allocator.reserve(request(shop))
    (place,) = await places(pool, kept.order_id)
    with pytest.raises(MoveRefused, match="accepted"):
        await replacements.replace(kept.order_id, place, actor="anna", reason="used already")
    assert await pool.fetchval("SELECT count(*) FROM departure") == 0


async def test_a_code_of_another_order_is_not_touched(
    pool: Pool, allocator: Allocator, replacements: Replacements
) -> None:
    shop = await add_shop(pool, codes=3)
    mine, theirs = await sell(pool, allocator, shop, 1), await sell(pool, allocator, shop, 1)
    (place,) = await places(pool, theirs)
    with pytest.raises(InvalidInput, match="never had it"):
        await replacements.replace(mine, place, actor="anna", reason="used already")
    with pytest.raises(UnknownOrder):
        await replacements.replace(OrderId(1), place, actor="anna", reason="used already")
    assert await pool.fetchval("SELECT count(*) FROM departure") == 0


@pytest.mark.parametrize("reason", ["", " "])
async def test_without_a_reason_nothing_is_replaced(
    pool: Pool, allocator: Allocator, replacements: Replacements, reason: str
) -> None:
    shop = await add_shop(pool, codes=3)
    order_id = await sell(pool, allocator, shop, 1)
    (place,) = await places(pool, order_id)
    with pytest.raises(InvalidInput, match="say why"):
        await replacements.replace(order_id, place, actor="anna", reason=reason)
    assert await pool.fetchval("SELECT count(*) FROM departure") == 0
