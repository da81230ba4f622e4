"""When connections die in the middle of a group's write, every caller is told, and may ask again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from core.db.groups import GroupWriter
from core.db.pool import DATABASE_FAILURES
from core.types import OrderState
from core.views.invariants import check
from scheduler.composition import utc_now
from tests.scheduler.bench import Bench, open_bench

_KILL_OTHERS = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_ORDERS = 120


async def kill_connections(dsn: str, times: int) -> None:
    conn = await asyncpg.connect(dsn)
    for _ in range(times):
        await asyncio.sleep(0.02)
        await conn.fetchval(_KILL_OTHERS)
    await conn.close()


async def test_every_caller_is_answered_and_what_was_written_is_found_again(dsn: str, tmp_path: Path) -> None:
    async with open_bench(dsn, tmp_path, codes=_ORDERS) as bench:
        told = [bench.told() for _ in range(_ORDERS)]
        killer = asyncio.create_task(kill_connections(dsn, 12))
        failed = 0
        async with asyncio.timeout(60):
            errors: list[BaseException] = []
            while not killer.done() or errors:
                answers = await asyncio.gather(*map(bench.take_in, told), return_exceptions=True)
                errors = [answer for answer in answers if isinstance(answer, BaseException)]
                failed += len(errors)
                assert [error for error in errors if not isinstance(error, DATABASE_FAILURES)] == []
        assert failed, "no caller was hit"
        assert {await bench.state(order.order_ref) for order in told} == {OrderState.ACCEPTED}
        await deliver_while_connections_die(bench, dsn)
        assert {await bench.state(order.order_ref) for order in told} == {OrderState.DELIVERED}
        report = await check(bench.core.pool, bound_permille=1000, now=utc_now(), vault=bench.core.vault)
        assert report.ok, report.to_json()


async def opened(bench: Bench) -> bool:
    """Whether an order still wants something done; who cannot look does not know."""
    try:
        found: bool = await bench.core.pool.fetchval("SELECT EXISTS (SELECT FROM open_order)")
    except DATABASE_FAILURES:
        return True
    return found


async def deliver_while_connections_die(bench: Bench, dsn: str) -> None:
    killer = asyncio.create_task(kill_connections(dsn, 8))
    deliverer = bench.deliverer()
    async with asyncio.timeout(60):
        while not killer.done() or await opened(bench):
            with suppress(*DATABASE_FAILURES):
                await bench.make_due()
                await deliverer.deliver()
    sent: dict[str, set[str]] = {}
    for delivery in bench.stall.connector.deliveries:
        codes = ",".join(code.text() for line in delivery.lines for code in line.codes)
        sent.setdefault(delivery.order_ref, set()).add(codes)
    assert all(len(sets) == 1 for sets in sent.values()), "one order, one set of codes"


async def test_a_writer_that_answers_too_few_leaves_nobody_waiting() -> None:
    async def forgetful(requests: Sequence[int]) -> list[int | Exception]:
        return list(requests[1:])

    writer: GroupWriter[int, int] = GroupWriter(forgetful)
    async with asyncio.timeout(20):
        with pytest.raises(AssertionError):
            await writer.submit(1)
        with pytest.raises(AssertionError):
            await writer.submit(2)
