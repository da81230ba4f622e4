"""Rates are fetched from a source over HTTP; what goes wrong there is written down, and stops nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction

import pytest
from aiohttp import web
from pydantic import SecretStr

from config.rates import Rates
from core.db.pool import Pool
from core.money.rates import RateHealth, rate_health, read_rates
from scheduler.rate_fetching import RateFetcher, SourceFailed
from tests.factories import NOW

CSV = b"Date, USD, GBP\n2026-11-20, 1.08, 0.9\n"


@dataclass(slots=True)
class Source:
    """A server that answers what the script says, and then the file."""

    url: str = ""
    script: deque[web.Response] = field(default_factory=deque)
    asked: list[dict[str, str]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.headers))
        return self.script.popleft() if self.script else web.Response(body=CSV)


@asynccontextmanager
async def serving() -> AsyncIterator[Source]:
    source = Source()
    app = web.Application()
    app.router.add_get("/daily", source.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    source.url = f"http://{host}:{port}/daily?key=hidden"
    try:
        yield source
    finally:
        await runner.cleanup()


@pytest.fixture
async def source() -> AsyncIterator[Source]:
    async with serving() as started:
        yield started


@dataclass(slots=True)
class Clock:
    """A clock that stands still until it is set."""

    at: datetime = NOW

    def __call__(self) -> datetime:
        return self.at


def fetcher(pool: Pool, source: Source, clock: Clock | None = None) -> RateFetcher:
    written = Rates(url=source.url, refresh_seconds=3600, headers={"X-Key": SecretStr("secret-of-ours")})
    return RateFetcher(pool, written, clock or Clock(), first_wait_seconds=0.001)


async def health(pool: Pool) -> RateHealth:
    async with pool.acquire() as conn:
        [only] = await rate_health(conn)
    return only


async def test_what_is_fetched_can_be_crossed(pool: Pool, source: Source) -> None:
    assert await fetcher(pool, source).fetch("test") == 2
    async with pool.acquire() as conn:
        rates = await read_rates(conn, [("USD", "GBP")], NOW)
    crossed = rates["USD", "GBP"]
    assert Fraction(crossed.numerator, crossed.denominator) == Fraction("0.9") / Fraction("1.08")
    assert source.asked[0]["X-Key"] == "secret-of-ours"
    assert (await health(pool)).ok


async def test_the_same_file_fetched_again_writes_nothing(pool: Pool, source: Source) -> None:
    assert await fetcher(pool, source).fetch("test") == 2
    assert await fetcher(pool, source).fetch("test") == 0


async def test_a_source_that_stumbles_is_asked_again_at_once(pool: Pool, source: Source) -> None:
    source.script.extend([web.Response(status=503), web.Response(status=429)])
    assert await fetcher(pool, source).fetch("test") == 2
    assert len(source.asked) == 3


@pytest.mark.parametrize(
    ("answers", "complaint", "asked"),
    [
        ([web.Response(status=500)] * 4, "answers 500; tried 4 times", 4),
        ([web.Response(status=403)], "answers 403: look at", 1),
        ([web.Response(status=302, headers={"Location": "/daily"})], "answers 302", 1),
        ([web.Response(body=b"<html>")], "not XML", 1),
        ([web.Response(body=b"x" * (4 * 1024 * 1024 + 1))], "larger than 4 MiB", 1),
    ],
)
async def test_a_failure_is_told_and_written_down_without_the_key(
    pool: Pool, source: Source, answers: list[web.Response], complaint: str, asked: int
) -> None:
    # A response can be sent once: each is made anew of what the table says.
    source.script.extend(web.Response(status=a.status, body=a.body, headers=a.headers) for a in answers)
    with pytest.raises(SourceFailed, match=complaint) as failed:
        await fetcher(pool, source).fetch("test")
    assert len(source.asked) == asked
    told = await health(pool)
    assert not told.ok
    for text in (str(failed.value), told.detail):
        assert "hidden" not in text
        assert "secret-of-ours" not in text


async def test_a_source_that_is_not_there_is_a_failure(pool: Pool) -> None:
    gone = Source(url="http://127.0.0.1:1/daily")
    with pytest.raises(SourceFailed, match="does not answer"):
        await fetcher(pool, gone).fetch("test")


async def test_the_sweep_fetches_when_it_is_due_and_goes_on_after_failures(
    pool: Pool, source: Source
) -> None:
    clock = Clock()
    sweeper = fetcher(pool, source, clock)
    await sweeper.sweep()
    await sweeper.sweep()
    assert len(source.asked) == 1, "not due yet, whichever daemon fetched"
    clock.at += timedelta(hours=1)
    source.script.append(web.Response(status=403))
    await sweeper.sweep()
    assert not (await health(pool)).ok
    await sweeper.sweep()
    assert (await health(pool)).ok, "what failed is tried again at the next round"
    assert len(source.asked) == 3
