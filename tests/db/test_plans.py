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
from tests.db.test_closing import terms_of
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


async def sell(pool: Pool, shops: list[Shop], allocator: Allocator, closer: SaleCloser) -> None:
    """A group of sales, from reservation to money."""
    terms = await terms_of(pool, shops[0])
    taken: list[Reserved] = await asyncio.gather(
        *(allocator.reserve(request(shops[n % len(shops)])) for n in range(GROUP))
    )
    async with pool.acquire() as conn:
        orders = await load_orders(conn, [answer.order_id for answer in taken])
    await asyncio.gather(*(closer.close(Closing(order, terms, "test", "")) for order in orders))


@pytest.mark.parametrize("analyzed", [False, True])
async def test_a_group_of_sales_reads_a_few_rows_of_each_table_however_large_it_is(
    single: Pool, analyzed: bool
) -> None:
    allocator = Allocator(single, lambda: NOW)
    closer = SaleCloser(single, Ledger(single), lambda: NOW)
    shops = [await add_shop(single, codes=90), await add_shop(single, codes=200)]
    await sell(single, shops, allocator, closer)
    await fill(single, shops[0])
    if analyzed:
        await single.execute("VACUUM ANALYZE")
    await sell(single, shops, allocator, closer)
    before = await read_by_table(single)
    await sell(single, shops, allocator, closer)
    after = await read_by_table(single)
    whole = {table for table in LARGE if after[table][0] != before[table][0]}
    read = {table: after[table][1] - before[table][1] for table in LARGE}
    assert not whole - {"order_line", "channel_order", "order_move", "open_order"}, f"read whole: {whole}"
    assert {table: rows for table, rows in read.items() if rows > MOST_ROWS} == {}


async def test_codes_and_allocations_are_found_by_their_keys(single: Pool) -> None:
    async def scans() -> dict[str, int]:
        await single.execute("SELECT pg_stat_force_next_flush()")
        rows = await single.fetch("SELECT indexrelname, idx_scan FROM pg_stat_user_indexes")
        return {row["indexrelname"]: row["idx_scan"] for row in rows}

    shops = [await add_shop(single, codes=90)]
    before = await scans()
    await sell(single, shops, Allocator(single, lambda: NOW), SaleCloser(single, Ledger(single), lambda: NOW))
    after = await scans()
    for key in ("code_key", "allocation_key", "order_ref_once", "departure_key", "allocation_by_order"):
        assert after[key] > before[key], f"{key} was not used"
