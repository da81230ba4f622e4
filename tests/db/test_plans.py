"""The hot statements look rows up; none reads a table whole, though it was planned while all were empty.

What is looked at is not a plan's text but what the server counted: scans, and rows read through each index.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from core.codes.allocator import Allocator
from core.codes.reservation import Reserved
from core.db.pool import Pool, open_pool
from core.money.ledger import Ledger
from core.orders.closing import Closing, SaleCloser
from core.orders.orders import load_orders
from tests.db.test_closing import published_terms
from tests.factories import NOW, Shop, add_shop, request

GROUP = 64
# A group may read a few rows of a table for each of its orders; a scan of any large table is far beyond.
MOST_ROWS = GROUP * 4
CODES = 200_000
OLD_ORDERS = 20_000
FIRST_OLD_ORDER = 10_000_000

LARGE = (
    "code",
    "allocation",
    "departure",
    "channel_order",
    "open_order",
    "order_line",
    "order_move",
    "stock_mark",
)


@pytest.fixture
async def single(dsn: str) -> AsyncIterator[Pool]:
    """A pool of one connection, so that plans made early are the ones used later."""
    opened = await open_pool(dsn, min_size=1, max_size=1, application_name="test")
    try:
        yield opened
    finally:
        opened.terminate()


async def fill(pool: Pool, shop: Shop) -> None:
    """Codes and old orders such as a shop has after a while, and codes that left their slots."""
    row = await pool.fetchrow("SELECT shelf_id, batch_id FROM code ORDER BY shelf_id LIMIT 1")
    assert row is not None
    shelf_id, batch_id = row
    await pool.execute(
        "INSERT INTO code (lane, shelf_id, slot, batch_id, fingerprint, sealed)"
        " SELECT 0, $1, n, $2, int8send(n), 'sealed' FROM generate_series(100, $3::int) n",
        shelf_id,
        batch_id,
        CODES,
    )
    await pool.execute(
        "INSERT INTO allocation SELECT 0, $1, n, $2::int + n, 1 FROM generate_series(101, $3::int) n",
        shelf_id,
        FIRST_OLD_ORDER,
        OLD_ORDERS,
    )
    await pool.execute(
        "INSERT INTO departure SELECT 0, $1, n, 'quarantined', now(), 'test', ''"
        " FROM generate_series($2::int / 2, $2::int, 10) n",
        shelf_id,
        CODES,
    )
    await pool.execute(
        "INSERT INTO channel_order (order_id, lane, channel_id, order_ref, first_state, request_hash,"
        " currency, placed_at, created_at)"
        " SELECT $2::int + n, 0, $1, 'old ' || n, 'accepted', 'x', 'EUR', now(), now()"
        " FROM generate_series(101, $3::int) n",
        shop.channel_id,
        FIRST_OLD_ORDER,
        OLD_ORDERS,
    )
    await pool.execute(
        "INSERT INTO open_order"
        " SELECT order_id, channel_id, created_at FROM channel_order WHERE order_id > $1",
        FIRST_OLD_ORDER,
    )


async def read_by_table(pool: Pool) -> dict[str, tuple[int, int]]:
    """Per table: scans of the whole, and rows read through its indexes, since the server counts."""
    await pool.execute("SELECT pg_stat_force_next_flush()")
    rows = await pool.fetch(
        "SELECT t.relname, t.seq_scan, sum(i.idx_tup_read)::bigint AS read FROM pg_stat_user_tables t"
        " JOIN pg_stat_user_indexes i USING (relid) WHERE t.relname = ANY ($1::text[]) GROUP BY 1, 2",
        LARGE,
    )
    return {row["relname"]: (row["seq_scan"], row["read"]) for row in rows}


async def sell(pool: Pool, shops: list[Shop]) -> dict[str, tuple[int, int]]:
    """A group of sales; what reserving and closing read of each table, the loading between them left out."""
    allocator = Allocator(pool, lambda: NOW)
    closer = SaleCloser(pool, Ledger(pool), lambda: NOW)
    terms = await published_terms(pool, shops[0])
    start = await read_by_table(pool)
    taken: list[Reserved] = await asyncio.gather(
        *(allocator.reserve(request(shops[n % len(shops)])) for n in range(GROUP))
    )
    reserved = await read_by_table(pool)
    async with pool.acquire() as conn:
        orders = await load_orders(conn, [answer.order_id for answer in taken])
    loaded = await read_by_table(pool)
    await asyncio.gather(*(closer.close(Closing(order, terms, "test", "")) for order in orders))
    closed = await read_by_table(pool)
    return {
        table: (
            closed[table][0] - loaded[table][0] + reserved[table][0] - start[table][0],
            closed[table][1] - loaded[table][1] + reserved[table][1] - start[table][1],
        )
        for table in LARGE
    }


@pytest.mark.parametrize("known_to_be", ["empty", "large", "anything"])
async def test_a_group_of_sales_reads_a_few_rows_of_each_table_however_large_it_is(
    single: Pool, known_to_be: str
) -> None:
    shops = [await add_shop(single, codes=90), await add_shop(single, codes=200)]
    if known_to_be == "empty":
        await single.execute("VACUUM ANALYZE")
    await sell(single, shops)
    await fill(single, shops[0])
    if known_to_be == "large":
        await single.execute("VACUUM ANALYZE")
    await sell(single, shops)
    found = await sell(single, shops)
    assert {table: rows for table, rows in found.items() if rows[0] or rows[1] > MOST_ROWS} == {}


async def test_codes_and_allocations_are_found_by_their_keys(single: Pool) -> None:
    async def scans() -> dict[str, int]:
        await single.execute("SELECT pg_stat_force_next_flush()")
        rows = await single.fetch("SELECT indexrelname, idx_scan FROM pg_stat_user_indexes")
        return {row["indexrelname"]: row["idx_scan"] for row in rows}

    before = await scans()
    await sell(single, [await add_shop(single, codes=90)])
    after = await scans()
    for key in ("code_key", "allocation_key", "order_ref_once", "departure_key", "allocation_by_order"):
        assert after[key] > before[key], f"{key} was not used"
