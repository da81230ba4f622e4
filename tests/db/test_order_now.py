"""What an order is now is asked in one place, and looked up by key however the question is put.

What is looked at is not a plan's text but what the server counted: scans of the whole table of moves.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest

from core.db.pool import Connection, Pool, open_pool
from core.db.queries import all_query_files
from core.orders.orders import load_orders
from core.types import OrderId, OrderState
from tests.factories import NOW, add_channel

ORDERS = 12_000
# Which thirds of the orders make which move.
MOVES = (
    ("reserved", "accepted", [1, 2]),
    ("accepted", "delivered", [2]),
    ("delivered", "refunded", [2]),
)
# Often enough for a statement to get the plan that is kept.
OFTEN = 7


@pytest.fixture
async def many(dsn: str) -> AsyncIterator[Pool]:
    """One connection to a house of many orders: each third reserved, accepted, or refunded long ago."""
    pool = await open_pool(dsn, min_size=1, max_size=1, application_name="test")
    try:
        channel_id = await add_channel(pool)
        await pool.execute(
            "INSERT INTO channel_order (order_id, lane, channel_id, order_ref, first_state, request_hash,"
            " currency, placed_at, created_at) SELECT n, 0, $1, 'R-' || n, 'reserved', 'x', 'EUR', $2, $2"
            " FROM generate_series(1, $3::int) n",
            channel_id,
            NOW,
            ORDERS,
        )
        for number, (before, after, thirds) in enumerate(MOVES, 1):
            await pool.execute(
                "INSERT INTO order_move"
                " SELECT n, $1::int, $2, $3, $4::timestamptz + $1::int * interval '1 s', 'test'"
                " FROM generate_series(1, $5::int) n WHERE n % 3 = ANY ($6::int[])",
                number,
                before,
                after,
                NOW,
                ORDERS,
                thirds,
            )
        await pool.execute("VACUUM ANALYZE")
        yield pool
    finally:
        pool.terminate()


async def _scans(pool: Pool) -> int:
    await pool.execute("SELECT pg_stat_force_next_flush()")
    scans: int = await pool.fetchval("SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'order_move'")
    return scans


async def _one(conn: Connection) -> None:
    assert len(await load_orders(conn, [OrderId(4711)])) == 1


async def _a_set(conn: Connection) -> None:
    assert len(await load_orders(conn, [OrderId(number) for number in range(1, ORDERS, 50)])) == ORDERS // 50


async def _by_ref(conn: Connection) -> None:
    asking = "SELECT state FROM order_now WHERE channel_id = $1::int AND order_ref = $2::text"
    assert await conn.fetchval(asking, await conn.fetchval("SELECT channel_id FROM channel"), "R-4711")


async def test_orders_are_what_their_last_moves_say(many: Pool) -> None:
    async with many.acquire() as conn:
        never, once, often = await load_orders(conn, [OrderId(3), OrderId(4), OrderId(5)])
    assert [order.state for order in (never, once, often)] == [
        OrderState.RESERVED, OrderState.ACCEPTED, OrderState.REFUNDED,
    ]  # fmt: skip
    assert [order.move_no for order in (never, once, often)] == [0, 1, 3]
    assert [order.state_since - NOW for order in (never, once, often)] == [
        timedelta(0), timedelta(seconds=1), timedelta(seconds=3),
    ]  # fmt: skip


@pytest.mark.parametrize("asking", [_one, _a_set, _by_ref])
async def test_a_state_is_looked_up_and_never_searched_for(
    many: Pool, asking: Callable[[Connection], Awaitable[None]]
) -> None:
    before = await _scans(many)
    for _ in range(OFTEN):
        async with many.acquire() as conn:
            await asking(conn)
    assert await _scans(many) == before


def test_nobody_looks_for_the_last_move_himself() -> None:
    found = [
        f"{file.package.replace('.', '/')}/{file.file_name}"
        for file in all_query_files()
        if any("order_move.move_no DESC" in sql for sql in file.values())
    ]
    assert found == []
