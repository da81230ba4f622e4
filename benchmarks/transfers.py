"""Measures transfers between two accounts: ours in turns with django-hordak's, on one server.

django-hordak keeps double entry on PostgreSQL, too. It is installed into an environment that lives as long as
the measurement, and is no dependency of ours; where that cannot be had, ours is measured alone.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from rich.console import Console

from benchmarks.figures import Figure
from benchmarks.product import utc_now
from benchmarks.stand import Stand
from core.db.pool import open_pool
from core.money.booking import Booker, Booking, BookingKind
from core.money.posting import Posting

# So many transfers, so many of them in each transaction; the seconds it took.
Post = Callable[[int, int], Awaitable[float]]

_HORDAK = ("django-hordak==2.0.0", "psycopg[binary]>=3.2")
_SCRIPT = Path(__file__).with_name("hordak_transfers.py")
_INSTALL_SECONDS = 300.0
_TOGETHER = 64
_TRANSFER = Booking(
    BookingKind.CORRECTION,
    (Posting("party", "one", "payable", 100, "EUR"), Posting("party", "other", "payable", -100, "EUR")),
)


async def measure_transfers(stand: Stand, transfers: int, rounds: int, console: Console) -> list[Figure]:
    """Durable transfers per second: each in a transaction of its own, and 64 in one."""
    with tempfile.TemporaryDirectory(prefix="consignd-hordak-") as folder:
        python = await _install(Path(folder), console)
        async with (
            stand.empty() as dsn,
            _ours(dsn) as ours,
            stand.empty() as other_dsn,
            _hordak(python, other_dsn) as hordak,
        ):
            return [await _compare(ours, hordak, transfers, rounds, together) for together in (1, _TOGETHER)]


async def _compare(ours: Post, hordak: Post | None, transfers: int, rounds: int, together: int) -> Figure:
    what = "transfers, each in a transaction" if together == 1 else f"transfers, {together} in a transaction"
    rates: dict[Post, list[float]] = {ours: []} if hordak is None else {ours: [], hordak: []}
    for number in range(rounds + 1):
        for post in (list, reversed)[number % 2](list(rates)):
            rate = transfers / await post(transfers, together)
            if number:  # the first round warms up
                rates[post].append(rate)
    rate = statistics.median(rates[ours])
    if hordak is None:
        return Figure(what, rate, None, "transfers/s", rate, None, note="django-hordak could not be had")
    # Each round against its neighbour: what else the machine does changes by the minute.
    ratio = statistics.median(one / other for one, other in zip(*rates.values(), strict=True))
    beside = statistics.median(rates[hordak])
    return Figure(f"{what}, against django-hordak", rate, beside, "transfers/s", ratio, 1.0)


@asynccontextmanager
async def _ours(dsn: str) -> AsyncIterator[Post]:
    pool = await open_pool(dsn, application_name="bench")
    booker = Booker(pool)

    async def post(transfers: int, together: int) -> float:
        started = time.perf_counter()
        for begun in range(0, transfers, together):
            async with pool.acquire() as conn, conn.transaction():
                count = min(together, transfers - begun)
                await booker.post(conn, [_TRANSFER] * count, utc_now())
        return time.perf_counter() - started

    try:
        yield post
    finally:
        pool.terminate()


@asynccontextmanager
async def _hordak(python: Path | None, dsn: str) -> AsyncIterator[Post | None]:
    """Its process is told how many, and answers how long they took; None where it could not be had."""
    if python is None:
        yield None
        return
    process = await asyncio.create_subprocess_exec(python, _SCRIPT, dsn, stdin=PIPE, stdout=PIPE)
    stdin, stdout = process.stdin, process.stdout
    assert stdin is not None
    assert stdout is not None

    async def post(transfers: int, together: int) -> float:
        stdin.write(f"{transfers} {together}\n".encode())
        return float(await stdout.readline())

    try:
        yield post
    finally:
        stdin.close()
        await process.wait()


async def _install(folder: Path, console: Console) -> Path | None:
    """An interpreter that has it; None, said aloud, where the package index does not answer."""
    console.print(f"installing {_HORDAK[0]} to compare with", style="dim")
    python = folder / "bin" / "python"
    for command in (
        (sys.executable, "-m", "venv", str(folder)),
        (str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *_HORDAK),
    ):
        if not await _succeeds(command):
            console.print(
                f"{_HORDAK[0]} cannot be installed here, so transfers are measured without it: "
                "pip needs a package index that it can reach",
                style="yellow",
            )
            return None
    return python


async def _succeeds(command: tuple[str, ...]) -> bool:
    process = await asyncio.create_subprocess_exec(*command, stdout=DEVNULL, stderr=DEVNULL)
    try:
        async with asyncio.timeout(_INSTALL_SECONDS):
            return await process.wait() == 0
    except TimeoutError:
        process.kill()
        await process.wait()
        return False
