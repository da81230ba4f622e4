"""A loop works when it is woken, tells of a failure once, goes on after it, and ends when it is told to."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import pytest
import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from connectors.kit.errors import ChannelDown, OutcomeUnknown, TryLater
from core.errors import Overloaded, StaleVersion
from core.offers.closures.guarding import Guard
from core.types import OrderState
from scheduler.composition import utc_now
from scheduler.driver import ChannelDriver, Drive, Pace
from scheduler.loops.loop import Loop
from tests.e2e.house import until
from tests.scheduler.bench import Bench, open_bench
from web.services import ServedChannel


@pytest.fixture
async def bench(dsn: str, tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench(dsn, tmp_path) as opened:
        yield opened


_PACE = Pace(3600.0, 3600.0, 3600.0, 3600.0, 3600.0)

DYING_SERVER = [
    asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
    asyncpg.InterfaceError("connection is closed"),
    asyncpg.CannotConnectNowError("the database system is starting up"),
    asyncpg.AdminShutdownError("terminating connection due to administrator command"),
    asyncpg.CrashShutdownError("terminating connection because of crash of another server process"),
    asyncpg.DeadlockDetectedError("deadlock detected"),
    asyncpg.TooManyConnectionsError("sorry, too many clients already"),
    asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress"),
    ConnectionResetError(),
    ConnectionRefusedError(),
    FileNotFoundError("the socket is gone"),
    TimeoutError(),
]


@dataclass(slots=True)
class Work:
    """Work by script: errors, and then all is well."""

    script: deque[Exception] = field(default_factory=deque)
    done: int = 0
    health: list[tuple[bool, str]] = field(default_factory=list)
    gate: asyncio.Event | None = None
    under_way: asyncio.Event = field(default_factory=asyncio.Event)

    async def do(self) -> None:
        self.under_way.set()
        if self.gate is not None:
            await self.gate.wait()
        self.done += 1
        if self.script:
            raise self.script.popleft()

    async def note(self, subject: str, ok: bool, detail: str) -> None:
        self.health.append((ok, detail))

    def loop(self) -> Loop:
        return Loop("shop", "push", self.do, self.note)


async def until_done(work: Work, times: int) -> None:
    """Done so often, and told."""
    await until(lambda: work.done >= times and len(work.health) >= times, f"done {times} times")


async def ended(loop: Loop, task: asyncio.Task[None]) -> None:
    loop.stop()
    async with asyncio.timeout(20):
        await task


async def test_nothing_is_done_before_somebody_wakes_it() -> None:
    work = Work()
    loop = work.loop()
    task = asyncio.create_task(loop.run())
    await asyncio.sleep(0.05)
    assert work.done == 0
    loop.wake()
    await until_done(work, 1)
    await ended(loop, task)
    assert work.done == 1


async def test_calls_that_come_while_it_works_are_one_more_round() -> None:
    work = Work(gate=asyncio.Event())
    loop = work.loop()
    task = asyncio.create_task(loop.run())
    loop.wake()
    await work.under_way.wait()
    for _ in range(10):
        loop.wake()
    assert work.gate is not None
    work.gate.set()
    await until_done(work, 2)
    await asyncio.sleep(0.05)
    await ended(loop, task)
    assert work.done == 2


@pytest.mark.parametrize("error", DYING_SERVER, ids=lambda error: type(error).__name__)
async def test_a_dying_database_is_survived_whatever_it_says(error: Exception) -> None:
    work = Work(deque([error]))
    loop = work.loop()
    task = asyncio.create_task(loop.run())
    loop.wake()
    await until_done(work, 2)
    await ended(loop, task)
    assert [ok for ok, _ in work.health] == [False, True]


@pytest.mark.parametrize(
    "error",
    [ChannelDown("away"), OutcomeUnknown("?"), Overloaded("full"), StaleVersion("moved")],
    ids=lambda error: type(error).__name__,
)
async def test_after_a_failure_it_wakes_itself(error: Exception) -> None:
    work = Work(deque([error]))
    loop = work.loop()
    task = asyncio.create_task(loop.run())
    loop.wake()
    await until_done(work, 2)
    await ended(loop, task)


async def test_a_failure_is_told_once_and_so_is_the_recovery() -> None:
    work = Work(deque([TryLater("busy", 0.0)] * 3))
    loop = work.loop()
    with structlog.testing.capture_logs() as lines:
        task = asyncio.create_task(loop.run())
        for times in range(1, 5):
            loop.wake()
            await until_done(work, times)
        await ended(loop, task)
    assert [line["event"] for line in lines] == ["channel.failing", "channel.back"]
    assert lines[1]["after_failures"] == 3


async def test_health_that_cannot_be_written_does_not_end_the_loop() -> None:
    work = Work()

    async def note(subject: str, ok: bool, detail: str) -> None:
        await work.note(subject, ok, detail)
        raise ConnectionResetError

    loop = Loop("shop", "push", work.do, note)
    task = asyncio.create_task(loop.run())
    for times in (1, 2):
        loop.wake()
        await until_done(work, times)
    await ended(loop, task)


async def test_a_stop_lets_the_work_in_hand_come_to_its_end_and_starts_nothing_more() -> None:
    work = Work(gate=asyncio.Event())
    loop = work.loop()
    task = asyncio.create_task(loop.run())
    loop.wake()
    await work.under_way.wait()
    loop.wake()
    loop.stop()
    assert not task.done()
    assert work.gate is not None
    work.gate.set()
    async with asyncio.timeout(20):
        await task
    assert work.done == 1


# The driver's supervision.


def driver_of(bench: Bench, callback_url: str | None = None) -> tuple[ChannelDriver, AsyncIOScheduler]:
    timetable = AsyncIOScheduler(timezone="UTC")
    drive = Drive(
        bench.core.pool,
        bench.outbox,
        bench.core.intake,
        bench.core.fulfilment,
        Guard(bench.core.pool, utc_now),
        timetable,
        None if callback_url is None else lambda name: f"{callback_url}/{name}",
        lambda channel, subject, ok: None,
        lambda channel, lags: None,
        lambda: None,
    )
    channel = ServedChannel(bench.stall.terms, bench.stall.connector)
    return ChannelDriver(channel, drive, _PACE), timetable


async def test_a_bug_in_one_loop_stops_neither_it_nor_the_others(bench: Bench) -> None:
    connector = bench.stall.connector
    connector.pages.append(RuntimeError("a bug of ours"))
    driver, timetable = driver_of(bench)
    timetable.start()
    with structlog.testing.capture_logs() as lines:
        await driver.start()
        await until(lambda: bool(len(connector.pull_cursors) >= 2), "the loop did it")
        await until(lambda: bool(connector.told), "the loop did it")
        await driver.stop()
    timetable.shutdown(wait=False)
    assert [line["event"] for line in lines if line["event"] == "loop.crashed"] == ["loop.crashed"]


async def test_an_address_is_registered_again_now_and_then(bench: Bench) -> None:
    connector = bench.stall.connector
    driver, timetable = driver_of(bench, "http://127.0.0.1:1/callbacks")
    timetable.start()
    await driver.start()
    await until(lambda: bool(len(connector.registered) == 1), "the loop did it")
    assert timetable.get_job("stall-0.callbacks") is not None
    driver.wake("callbacks")
    await until(lambda: bool(len(connector.registered) == 2), "the loop did it")
    await driver.stop()
    assert timetable.get_jobs() == []
    timetable.shutdown(wait=False)
    assert set(connector.registered) == {"http://127.0.0.1:1/callbacks/stall-0"}


async def test_a_driver_that_stops_finishes_the_delivery_in_hand(bench: Bench) -> None:
    connector = bench.stall.connector
    connector.gate = asyncio.Event()
    await bench.take_in(bench.told("a"))
    driver, timetable = driver_of(bench)
    timetable.start()
    await driver.start()
    await until(lambda: bool(connector.deliveries), "the loop did it")
    stopping = asyncio.create_task(driver.stop())
    await asyncio.sleep(0.05)
    connector.gate.set()
    await stopping
    timetable.shutdown(wait=False)
    assert await bench.state("a") is OrderState.DELIVERED
