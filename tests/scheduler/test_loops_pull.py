"""Orders are pulled page by page: none is lost, none is kept out, the cursor follows what is durable."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from connectors.kit.errors import TryLater
from connectors.kit.messages import OrderPage
from core.types import OrderState, Payment
from scheduler.composition import utc_now
from scheduler.loops.pull import Puller
from tests.scheduler.bench import Bench, open_again, open_bench

_MANY = 40


@pytest.fixture
async def bench(dsn: str, tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench(dsn, tmp_path, codes=100) as opened:
        yield opened


def puller(bench: Bench, woken: list[str] | None = None) -> Puller:
    stall = bench.stall
    wake = (lambda: None) if woken is None else (lambda: woken.append("deliver"))
    return Puller(bench.core.pool, bench.core.intake, stall.terms, stall.connector, utc_now, wake)


async def count(bench: Bench, state: str) -> int:
    number: int = await bench.core.pool.fetchval(
        "SELECT count(*) FROM channel_order WHERE first_state = $1", state
    )
    return number


async def test_pages_are_read_to_the_last_and_the_cursor_is_kept(bench: Bench) -> None:
    bench.stall.connector.pages.extend(
        [OrderPage([bench.told("a")], "1", more=True), OrderPage([bench.told("b")], "2")]
    )
    woken: list[str] = []
    await puller(bench, woken).pull()
    await puller(bench).pull()
    assert bench.stall.connector.pull_cursors == [None, "1", "2"]
    assert await count(bench, "accepted") == 2
    assert woken


async def test_a_page_that_cannot_be_read_keeps_the_cursor_where_it_was(bench: Bench) -> None:
    pages = bench.stall.connector.pages
    pages.extend([OrderPage([bench.told("a")], "1", more=True), TryLater("busy")])
    with pytest.raises(TryLater):
        await puller(bench).pull()
    await puller(bench).pull()
    assert bench.stall.connector.pull_cursors == [None, "1", "1"]


async def test_an_order_that_contradicts_itself_keeps_no_other_out(bench: Bench) -> None:
    first = bench.told("a")
    changed = replace(first, lines=[replace(first.lines[0], quantity=3)])
    bench.stall.connector.pages.extend([OrderPage([first], "1"), OrderPage([changed, bench.told("b")], "2")])
    for _ in range(2):
        await puller(bench).pull()
    assert await count(bench, "accepted") == 2
    assert (await bench.order("a")).lines[0].quantity == 1


async def test_a_shop_with_a_long_history_of_cancelled_orders_can_be_taken_on(bench: Bench) -> None:
    """More at once than there are connections, each of which needs an id while it holds one."""
    told = [bench.told(payment=Payment.CANCELLED) for _ in range(_MANY)]
    bench.stall.connector.pages.append(OrderPage(told, "1"))
    async with asyncio.timeout(30):
        await puller(bench).pull()
    assert await count(bench, "cancelled") == _MANY


async def test_many_refunds_at_once_are_all_reversed(bench: Bench) -> None:
    refs = [f"order-{n}" for n in range(_MANY)]
    await asyncio.gather(*(bench.take_in(bench.told(ref)) for ref in refs))
    await bench.deliverer().deliver()
    # A new process has no ids in store.
    async with open_again(bench) as again:
        told = [again.told(ref, payment=Payment.REFUNDED) for ref in refs]
        again.stall.connector.pages.append(OrderPage(told, "1"))
        async with asyncio.timeout(30):
            await puller(again).pull()
    assert {await bench.state(ref) for ref in refs} == {OrderState.REFUNDED}


async def test_a_database_that_goes_away_is_named_and_nothing_is_skipped(bench: Bench) -> None:
    bench.stall.connector.pages.append(OrderPage([bench.told(ref) for ref in ("a", "b", "c")], "1"))
    work = puller(bench)
    await bench.core.pool.execute("ALTER TABLE channel_order RENAME TO gone")
    with pytest.raises(asyncpg.PostgresError):
        await work.pull()
    await bench.core.pool.execute("ALTER TABLE gone RENAME TO channel_order")
    bench.stall.connector.pages.append(OrderPage([bench.told(ref) for ref in ("a", "b", "c")], "1"))
    await work.pull()
    assert bench.stall.connector.pull_cursors == [None, None]
    assert await count(bench, "accepted") == 3
