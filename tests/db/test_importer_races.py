"""Imports raced, cut off, cancelled, and beside sales: every code still lands once."""

from __future__ import annotations

import asyncio
import os
import random
from dataclasses import replace

import asyncpg
import pytest

from core.codes import importer as importing
from core.codes.allocator import Allocator
from core.codes.importer import Importer, ImportOrder, ImportProgress
from core.codes.rows import Reason
from core.codes.vault import Vault
from core.db.pool import Pool, open_pool
from core.types import OrderState
from tests.db.imports import a_sku, count, holes, names, write
from tests.factories import NOW, Shop, add_channel, add_listing, request

# A table of plain rows, which are read many at a time.
PLAIN = "secret,note"


async def test_one_file_imported_many_times_at_once_lands_once(
    pool: Pool, importer: Importer, order: ImportOrder
) -> None:
    """Four importers, on two lanes, each with the codes in another order."""
    lines = names(0, 8_000)
    orders = []
    for number in range(4):
        sku = order.sku if number % 2 else await a_sku(pool, lane=1)
        mixed = replace(order, path=order.path.with_name(f"{number}.csv"), sku=sku)
        random.Random(number).shuffle(lines)
        write(mixed, *lines, header=PLAIN)
        orders.append(mixed)
    reports = await asyncio.gather(*(importer.run(each) for each in orders))
    assert sum(report.imported for report in reports) == 8_000
    assert await count(pool, "code") == 8_000
    assert sum(report.read for report in reports) == 32_000
    assert sum(report.refused.total() for report in reports) == 24_000
    assert all(set(report.refused) <= {Reason.ALREADY_KNOWN} for report in reports)
    assert await holes(pool) == 0


async def test_codes_are_sold_while_more_of_them_come_in(
    pool: Pool, importer: Importer, order: ImportOrder
) -> None:
    channel_id = await add_channel(pool)
    listing_id = await add_listing(pool, channel_id, order.sku.sku_id)
    shop = Shop(order.sku.sku_id, order.sku.lane, channel_id, listing_id, "", "")
    allocator = Allocator(pool, lambda: NOW)
    write(order, *names(0, 20_000), header=PLAIN)

    async def buy() -> int:
        served = 0
        while not importing_done.is_set():
            answer = await allocator.reserve(request(shop, quantity=3))
            served += 3 if answer.state is OrderState.ACCEPTED else 0
        return served

    importing_done = asyncio.Event()
    buyers = [asyncio.ensure_future(buy()) for _ in range(8)]
    report = await importer.run(order)
    importing_done.set()
    sold = sum(await asyncio.gather(*buyers))
    assert sold > 0
    assert await count(pool, "allocation") == sold
    # Nothing was skipped: what was sold is exactly the head of the shelf.
    assert await pool.fetchval("SELECT max(slot) FROM allocation") == sold
    assert report.imported == await count(pool, "code") == 20_000


async def test_an_import_cut_off_leaves_whole_chunks_and_the_next_brings_the_rest(
    pool: Pool, importer: Importer, order: ImportOrder
) -> None:
    write(order, *names(0, 17_000), header=PLAIN)

    def cut(progress: ImportProgress) -> None:
        if progress.imported >= 10_000:
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await importer.run(order, cut)
    assert await count(pool, "code") == 10_000
    report = await importer.run(order)
    assert (report.imported, report.refused) == (7_000, {Reason.ALREADY_KNOWN: 10_000})
    assert await holes(pool) == 0


async def test_a_cancelled_import_ends_and_can_be_run_again(
    pool: Pool, importer: Importer, order: ImportOrder
) -> None:
    write(order, *names(0, 20_000), header=PLAIN)
    begun = asyncio.Event()
    task = asyncio.ensure_future(importer.run(order, lambda _: begun.set()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    there = await count(pool, "code")
    assert there % importing.CHUNK_ROWS == 0
    assert (await importer.run(order)).imported == 20_000 - there


async def test_an_import_leaves_its_connection_as_it_was(dsn: str, vault: Vault, order: ImportOrder) -> None:
    """Sales on the same connection must wait for the disk again."""
    narrow = await open_pool(dsn, min_size=1, max_size=1, application_name="test")
    try:
        write(order, *names(0, 10), header=PLAIN)
        await Importer(narrow, vault, lambda: NOW).run(order)
        assert await narrow.fetchval("SHOW synchronous_commit") == "on"
    finally:
        narrow.terminate()


async def test_an_import_that_is_cut_off_leaves_no_connection_that_commits_early(
    dsn: str, vault: Vault, order: ImportOrder
) -> None:
    def cut_off(_: ImportProgress) -> None:
        raise InterruptedError

    narrow = await open_pool(dsn, min_size=1, max_size=1, application_name="test")
    try:
        write(order, *names(0, 10), header=PLAIN)
        with pytest.raises(InterruptedError):
            await Importer(narrow, vault, lambda: NOW).run(order, cut_off)
        assert await narrow.fetchval("SHOW synchronous_commit") == "on"
    finally:
        narrow.terminate()


async def test_a_chunk_cannot_bring_in_a_known_code_whatever_the_program_does(
    pool: Pool, importer: Importer, order: ImportOrder
) -> None:
    write(order, "A,")
    await importer.run(order)
    with pytest.raises(asyncpg.UniqueViolationError) as refused:
        await pool.execute(
            "SELECT place_codes(lane, $1, batch_id, ARRAY[shelf_id], ARRAY[1], ARRAY[1], ARRAY[fingerprint],"
            " ARRAY[sealed])"
            " FROM code",
            order.sku.sku_id,
        )
    assert refused.value.constraint_name == "code_fingerprint_once"


async def test_the_statements_read_no_table_whole_even_if_planned_while_it_was_empty(pool: Pool) -> None:
    async with pool.acquire() as conn:
        await conn.execute("VACUUM ANALYZE code")
        await conn.execute("SET plan_cache_mode = force_generic_plan")
        assert await conn.fetch("SELECT * FROM known_codes($1)", [b"x"]) == []
        before = await conn.fetchval("SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'code'")
        for _ in range(3):
            await conn.fetch("SELECT * FROM known_codes($1)", [os.urandom(32) for _ in range(100)])
        await conn.execute("SELECT pg_stat_force_next_flush()")
        after = await conn.fetchval("SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'code'")
    assert after == before
