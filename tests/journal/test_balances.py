"""Balances are the plain sum of all entries at any moment, whatever is sealed and whoever writes."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta

from core.db.pool import Connection, Pool
from core.money.journal.periods import Period
from core.money.journal.trial import trial_balance
from core.views.ledger import balances
from tests.factories import NOW
from tests.journal.books import PAYABLE, RECEIVABLE, post, post_many, sealing

PLAIN = (
    "SELECT party, party_name, purpose, currency, sum(amount_minor)::bigint, count(*)"
    " FROM entry JOIN account USING (account_id) GROUP BY 1, 2, 3, 4 ORDER BY 4, 1, 2, 3"
)


async def agree(conn: Connection) -> int:
    """Both ways of reading, at one moment; how many entries there were."""
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        kept = await balances(conn)
        plain = [tuple(row) for row in await conn.fetch(PLAIN)]
    assert [
        (row.party, row.party_name, row.purpose, row.currency, row.balance_minor, row.entries) for row in kept
    ] == plain
    return sum(row.entries for row in kept)


async def test_balances_are_the_plain_sum_while_others_write_and_seal(pool: Pool) -> None:
    done = asyncio.Event()
    seen = set()

    async def seal() -> None:
        rng = random.Random(3)
        while not done.is_set():
            await sealing(pool).sweep(limit=rng.randint(1, 9))

    async def read() -> None:
        while not done.is_set():
            async with pool.acquire() as conn:
                seen.add(await agree(conn))

    others = [asyncio.create_task(work()) for work in (seal, seal, read, read)]
    await asyncio.gather(*(post_many(pool, 40, lanes=3, seed=n) for n in range(3)))
    done.set()
    await asyncio.gather(*others)
    await sealing(pool).catch_up()
    async with pool.acquire() as conn:
        assert await agree(conn) >= 240
    assert len(seen) > 1


async def test_a_balance_of_an_empty_journal_is_nothing(pool: Pool) -> None:
    async with pool.acquire() as conn:
        assert await balances(conn) == ()


async def test_a_trial_balance_tells_what_stood_before_what_came_and_what_stands(pool: Pool) -> None:
    before = NOW - timedelta(days=40)
    yen = [(("channel", "shop", "receivable", "JPY"), 700), (("operator", "", "commission", "JPY"), -700)]
    await post(pool, ((RECEIVABLE, 100), (PAYABLE, -100)), at=before)
    await sealing(pool).sweep()
    await post(pool, ((RECEIVABLE, 40), (PAYABLE, -40)))
    await sealing(pool).sweep()
    await post(pool, ((RECEIVABLE, -15), (PAYABLE, 15)))
    await post(pool, yen)
    await post(pool, ((RECEIVABLE, 9), (PAYABLE, -9)), at=NOW + timedelta(days=30))
    async with pool.acquire() as conn:
        found = await trial_balance(conn, Period.of(NOW))
    assert (found.period, found.closed, found.balanced) == ("2026-11", False, True)
    assert [
        (row.party, row.currency, row.opening_minor, row.debit_minor, row.credit_minor, row.closing_minor)
        for row in found.rows
    ] == [
        ("channel", "EUR", 100, 40, 15, 125),
        ("consignor", "EUR", -100, 15, 40, -125),
        ("channel", "JPY", 0, 700, 0, 700),
        ("operator", "JPY", 0, 0, 700, -700),
    ]
    assert [(each.currency, each.debit_minor, each.credit_minor) for each in found.sums] == [
        ("EUR", 55, 55),
        ("JPY", 700, 700),
    ]


async def test_a_month_is_that_of_utc(pool: Pool) -> None:
    edge = Period(2026, 11).start
    await post(pool, ((RECEIVABLE, 1), (PAYABLE, -1)), at=edge - timedelta(microseconds=1))
    await post(pool, ((RECEIVABLE, 2), (PAYABLE, -2)), at=edge)
    for _ in range(2):  # from the tail, then from the totals
        async with pool.acquire() as conn:
            found = [await trial_balance(conn, Period(2026, month)) for month in (10, 11)]
        assert [balance.sums[0].debit_minor for balance in found] == [1, 2]
        await sealing(pool).sweep()
