"""Sealing leaves nothing behind: late, out of order, from several daemons, in another server."""

from __future__ import annotations

import asyncio

import pytest

from core.db.pool import Pool
from core.money.journal.chain import Head, digest
from core.money.journal.sealing import advance_clock
from core.money.journal.verifying import verify
from core.views.journal import chain_state
from tests.journal.books import INCOME, PAYABLE, RECEIVABLE, account, post, post_many, sealing


async def test_what_was_committed_is_sealed_and_verifies(pool: Pool) -> None:
    written = await post_many(pool, 60, lanes=3)
    swept = await sealing(pool).sweep()
    assert (swept.transactions, swept.blocks, swept.more) == (len(written), 3, False)
    verdict = await verify(pool)
    assert (verdict.ok, verdict.sealed, verdict.unsealed) == (True, len(written), 0)
    assert [head.lane for head in verdict.heads] == [0, 1, 2]


async def test_a_transaction_that_commits_late_holds_sealing_up_and_is_not_left_behind(pool: Pool) -> None:
    await post(pool)  # makes the accounts, which would hold up whoever makes them too
    await sealing(pool).sweep()
    async with pool.acquire() as slow, slow.transaction():
        await post(slow, transaction_id=10_000)
        await post(pool, transaction_id=20_000)
        assert (await sealing(pool).sweep()).transactions == 0
        assert (await verify(pool)).unsealed == 1
    assert (await sealing(pool).sweep()).transactions == 2
    verdict = await verify(pool)
    assert (verdict.ok, verdict.sealed) == (True, 3)


async def test_ids_that_come_out_of_order_are_sealed_in_the_order_of_writing(pool: Pool) -> None:
    await post(pool, transaction_id=5_000)
    await sealing(pool).sweep()
    await post(pool, transaction_id=4)
    assert (await sealing(pool).sweep()).transactions == 1
    assert (await verify(pool)).ok


async def test_what_was_rolled_back_is_not_missed(pool: Pool) -> None:
    async def fail() -> None:
        async with pool.acquire() as conn, conn.transaction():
            await post(conn)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    await post(pool)
    assert (await sealing(pool).sweep()).transactions == 1
    assert (await verify(pool)).ok


async def test_daemons_that_sweep_while_others_write_seal_everything_once(pool: Pool) -> None:
    done = asyncio.Event()

    async def daemon() -> int:
        sealed, own = 0, sealing(pool)
        while not done.is_set():
            sealed += (await own.sweep(limit=7)).transactions
            await asyncio.sleep(0)
        return sealed

    daemons = [asyncio.create_task(daemon()) for _ in range(3)]
    writers = await asyncio.gather(*(post_many(pool, 60, lanes=2, seed=n) for n in range(4)))
    done.set()
    sealed = sum(await asyncio.gather(*daemons)) + await sealing(pool).catch_up()
    written = sum(map(len, writers))
    assert sealed == written
    verdict = await verify(pool)
    assert (verdict.ok, verdict.sealed, verdict.unsealed) == (True, written, 0)


async def test_a_sweep_that_stops_at_its_limit_goes_on_where_it_stopped(pool: Pool) -> None:
    written = await post_many(pool, 25)
    sealed = []
    while (swept := await sealing(pool).sweep(limit=4)).more:
        sealed.append(swept.transactions)
    assert sum(sealed) + swept.transactions == len(written)
    assert (await verify(pool)).sealed == len(written)


async def test_what_stood_there_before_there_was_a_chain_is_sealed_first(pool: Pool) -> None:
    await post_many(pool, 20)
    await pool.execute("ALTER TABLE journal_transaction DISABLE TRIGGER journal_transaction_append_only")
    await pool.execute("UPDATE journal_transaction SET written_in = 0")
    await pool.execute("ALTER TABLE journal_transaction ENABLE TRIGGER journal_transaction_append_only")
    while (await sealing(pool).sweep(limit=6)).more:
        pass
    await post_many(pool, 5)
    await sealing(pool).sweep()
    assert (await verify(pool)).ok


async def test_an_empty_journal_is_as_it_should_be(pool: Pool) -> None:
    assert (await sealing(pool).sweep()).transactions == 0
    verdict = await verify(pool)
    assert (verdict.ok, verdict.heads) == (True, ())
    async with pool.acquire() as conn:
        assert (await chain_state(conn)).heads == ()


async def count_from(pool: Pool, offset: int) -> None:
    """As if the server's numbers were so much higher."""
    await pool.execute(
        "CREATE OR REPLACE FUNCTION journal_offset() RETURNS bigint LANGUAGE sql STABLE"
        f" AS 'SELECT {offset}::bigint'"
    )


async def test_a_journal_restored_into_a_server_that_counts_lower_goes_on(pool: Pool) -> None:
    """What a dump brings along: rows and the seal, but another server's numbers."""
    await count_from(pool, 1_000_000)
    before = await post_many(pool, 10)
    await sealing(pool).sweep()
    unsealed = await post_many(pool, 3)
    await count_from(pool, 0)
    async with pool.acquire() as conn:
        assert await advance_clock(conn)
        assert not await advance_clock(conn)
    after = await post_many(pool, 10)
    assert await sealing(pool).catch_up() == len(after) + len(unsealed)
    verdict = await verify(pool)
    assert (verdict.findings, verdict.sealed) == ((), len(before) + len(unsealed) + len(after))


async def test_the_encoding_of_a_transaction_is_what_the_manual_says(pool: Pool) -> None:
    written = await post(pool, transaction_id=77)
    await sealing(pool).sweep()
    written_in = await pool.fetchval("SELECT written_in FROM journal_transaction")
    row = (
        f'{{"kind": "correction", "lane": 0, "posted_at": "2026-11-21T12:00:00+00:00",'
        f' "written_in": {written_in}, "transaction_id": {written.transaction_id}}}'
    )
    entries = (
        '(1,1750,channel,eneba,receivable,EUR)(2,-88,operator,"",commission,EUR)'
        '(3,-1662,consignor,"Ada & Söhne",payable,EUR)'
    )
    members = await pool.fetchval("SELECT members FROM journal_block")
    assert members == (77).to_bytes(8, "big") + digest(row + entries)
    assert [await account(pool, row) for row in (RECEIVABLE, INCOME, PAYABLE)]


def test_a_head_is_read_back_as_it_was_printed() -> None:
    head = Head(3, 17, bytes(range(32)))
    assert Head.parse(str(head)) == head
