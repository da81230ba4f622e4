"""A lag is measured from the commit of a sale elsewhere to the acknowledgement of what is left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from connectors.kit.errors import TryLater
from connectors.kit.messages import OfferStatus
from core.views.lag import channel_lags
from scheduler.composition import utc_now
from scheduler.loops.push import Pusher
from scheduler.metrics import LoopMetrics
from tests.scheduler.bench import Bench, Stall, open_bench


@pytest.fixture
async def bench(dsn: str, tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench(dsn, tmp_path, codes=10, channels=2) as opened:
        for stall in opened.stalls * 2:
            await push(opened, stall)
        yield opened


async def push(bench: Bench, stall: Stall) -> list[float]:
    """One round; the lags that it ended."""
    lags: list[float] = []
    await bench.make_due()
    pusher = Pusher(
        bench.outbox,
        stall.terms,
        stall.connector,
        stall.connector.traits,
        lambda channel, seconds: lags.extend(seconds),
    )
    with suppress(TryLater):
        await pusher.push()
    return lags


async def sell(bench: Bench, stall: Stall, seconds_ago: float, quantity: int = 2) -> None:
    """A sale that was committed a while ago."""
    last = await bench.core.pool.fetchval("SELECT coalesce(max(mark_id), 0) FROM stock_mark")
    await bench.take_in(bench.told(stall=stall, quantity=quantity), stall)
    await bench.core.pool.execute(
        "UPDATE stock_mark SET marked_at = marked_at - $2 * interval '1 second' WHERE mark_id > $1",
        last,
        seconds_ago,
    )


async def test_the_other_channel_answers_a_sale(bench: Bench) -> None:
    here, there = bench.stalls
    await sell(bench, here, 100)
    [lag] = await push(bench, there)
    assert 100 <= lag < 160
    assert await push(bench, there) == []


async def test_the_seller_itself_has_nothing_to_learn(bench: Bench) -> None:
    here, _ = bench.stalls
    await sell(bench, here, 100)
    assert await push(bench, here) == []


async def test_an_import_is_no_sale(bench: Bench) -> None:
    await bench.import_codes(5, seed=9)
    for stall in bench.stalls * 2:
        assert await push(bench, stall) == []


async def test_the_oldest_of_several_sales_is_where_it_begins(bench: Bench) -> None:
    here, there = bench.stalls
    await sell(bench, here, 300)
    await sell(bench, here, 100)
    [lag] = await push(bench, there)
    assert 300 <= lag < 360


async def test_a_channel_that_does_not_answer_is_late_from_the_sale_on(bench: Bench) -> None:
    here, there = bench.stalls
    await sell(bench, here, 200)
    there.connector.publish_script.append(TryLater("busy"))
    assert await push(bench, there) == []
    there.connector.publish_script.append(OfferStatus.UNKNOWN)
    assert await push(bench, there) == []
    await sell(bench, here, 50)
    [lag] = await push(bench, there)
    assert 200 <= lag < 260


async def test_a_sale_while_an_older_one_is_being_told_is_measured_by_itself(bench: Bench) -> None:
    here, there = bench.stalls
    await sell(bench, here, 200)
    await bench.outbox.collect(there.terms.channel_id)
    claim = await bench.outbox.claim(there.terms.channel_id, 10)
    await sell(bench, here, 50)
    await bench.outbox.collect(there.terms.channel_id)
    [first] = await bench.outbox.settle(claim.plans, [], [])
    [second] = await push(bench, there)
    assert 200 <= first < 260
    assert 50 <= second < 110


async def test_a_daemon_that_died_in_between_loses_no_lag(bench: Bench) -> None:
    here, there = bench.stalls
    await sell(bench, here, 200)
    await bench.outbox.collect(there.terms.channel_id)
    await bench.outbox.claim(there.terms.channel_id, 10)
    [lag] = await push(bench, there)
    assert 200 <= lag < 260


async def test_the_distribution_is_kept_and_shown(bench: Bench) -> None:
    here, there = bench.stalls
    for seconds in (100, 200, 400):
        await sell(bench, here, seconds)
        await push(bench, there)
        await push(bench, here)
    await sell(bench, here, 7)
    await bench.outbox.collect(there.terms.channel_id)
    async with bench.core.pool.acquire() as conn:
        shown = {view.channel: view for view in await channel_lags(conn, utc_now())}
    assert shown["stall-0"].samples == 0
    found = shown["stall-1"]
    assert found.samples == sum(bucket.samples for bucket in found.buckets) == 3
    assert found.median_seconds is not None
    assert found.longest_seconds is not None
    assert 200 <= found.median_seconds < 300 < 400 <= found.longest_seconds
    assert found.waiting == 1
    assert found.oldest_wait_seconds is not None
    assert found.oldest_wait_seconds >= 7


async def test_two_channels_that_sell_at_once_each_learn_of_the_other(bench: Bench) -> None:
    here, there = bench.stalls
    await sell(bench, here, 100)
    await sell(bench, there, 200)
    first, second = await asyncio.gather(push(bench, here), push(bench, there))
    assert [200 <= lag < 260 for lag in first] == [True]
    assert [100 <= lag < 160 for lag in second] == [True]


def test_lags_are_a_histogram_of_the_channel() -> None:
    registry = CollectorRegistry()
    LoopMetrics(registry).note_lags("shop", [0.3, 70.0])
    labels = {"channel": "shop"}
    assert registry.get_sample_value("consignd_publish_lag_seconds_count", labels) == 2
    assert registry.get_sample_value("consignd_publish_lag_seconds_bucket", {**labels, "le": "0.5"}) == 1
