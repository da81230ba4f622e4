"""Plays shop software beside the product: three patterns of taking a code, each by an ORM's usual client.

These are simulations of the patterns, not the shops' own programs. SQLAlchemy speaks through psycopg in sync
threads, half of the clients in each of two processes (benchmarks/peer_shop.py); on a machine shared with the
server, their own CPU is a large part of what they cost. Like every baseline they write what a sale of ours
writes, in the same two steps, but keep their own stock. Where a detail was open, it was settled for the
peers: the best index, no foreign keys, tables vacuumed before each run.
"""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

from benchmarks.peer_shop import READY, WARM_SECONDS, Pattern, Report
from core.db.pool import Pool
from core.db.queries import load_queries

_SQL = load_queries("benchmarks", "peers.sql")
_PROCESSES = 2
_FILL_SECONDS = 600.0
# To start the processes, and for the last sales, which wait for each other, to end.
_SPARE_SECONDS = 60.0


class PeersFailed(Exception):
    """A client of the peers went wrong, so there is no figure; the message says which, and how."""


@dataclass(frozen=True, slots=True)
class Run:
    """What all clients did in one closed loop; `sold_twice` is the share of sales of a code sold before."""

    sales_per_second: float
    p50_ms: float
    p99_ms: float
    sold_twice: float


class Peers:
    """The shop software on one market. Its codes are its own; its orders go where ours go."""

    def __init__(self, pool: Pool, dsn: str) -> None:
        self._pool = pool
        self._dsn = dsn

    @classmethod
    async def prepare(cls, pool: Pool, dsn: str, codes_each: int) -> Self:
        """Make the tables that peers keep, with so many codes of each SKU."""
        for name in ("sequence", "stock", "codes", "sales"):
            await pool.execute(_SQL[name])
        await pool.execute(_SQL["fill_codes"], codes_each, timeout=_FILL_SECONDS)
        for name in ("fill_stock", "index"):
            await pool.execute(_SQL[name], timeout=_FILL_SECONDS)
        return cls(pool, dsn)

    async def play(self, pattern: Pattern, clients: int, seconds: float) -> Run:
        """A closed loop of so many clients; raises PeersFailed when one of them cannot go on."""
        await self._pool.execute(_SQL["forget"])
        await self._pool.execute(_SQL["tidy"], timeout=_FILL_SECONDS)
        each = clients // _PROCESSES
        asked = (
            f"--dsn={self._dsn}",
            f"--pattern={pattern.name}",
            f"--clients={each}",
            f"--seconds={seconds}",
        )
        try:
            async with asyncio.timeout(WARM_SECONDS + seconds + _SPARE_SECONDS):
                reports = await _run_processes(asked)
        except TimeoutError:
            raise PeersFailed(f"{pattern}: still selling {_SPARE_SECONDS:g} s after its time") from None
        except PeersFailed as error:
            raise PeersFailed(f"{pattern}: {error}") from None
        return await self._sum(pattern, reports, seconds)

    async def _sum(self, pattern: Pattern, reports: Sequence[Report], seconds: float) -> Run:
        row = await self._pool.fetchrow(_SQL["sold"], timeout=_FILL_SECONDS)
        assert row is not None
        told = sum(report.sold for report in reports)
        if told != row["sold"]:
            raise PeersFailed(f"{pattern}: clients tell of {told} sales, but {row['sold']} are written")
        if row["unsplit"]:
            raise PeersFailed(f"{pattern}: {row['unsplit']} sales were not split")
        took = sorted(took for report in reports for took in report.took_ms)
        return Run(
            sales_per_second=sum(report.in_time for report in reports) / seconds,
            p50_ms=took[len(took) // 2],
            p99_ms=took[int(len(took) * 0.99)],
            sold_twice=int(row["twice"]) / told,
        )


async def _run_processes(asked: Sequence[str]) -> list[Report]:
    """All begin when the last is ready; whatever happens, none is left."""
    async with _processes(asked) as processes:
        for process in processes:
            assert process.stdout is not None
            if await process.stdout.readline() != READY:
                raise _failure(process, (await process.communicate())[1])
        told = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    for process, (_, complaint) in zip(processes, told, strict=True):
        if process.returncode:
            raise _failure(process, complaint)
    return [Report(**json.loads(report)) for report, _ in told]


@asynccontextmanager
async def _processes(asked: Sequence[str]) -> AsyncIterator[list[Process]]:
    command = (sys.executable, "-m", "benchmarks.peer_shop", *asked)
    processes: list[Process] = []
    try:
        for _ in range(_PROCESSES):
            processes.append(
                await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=PIPE)
            )
        yield processes
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
                await process.wait()


def _failure(process: Process, complaint: bytes) -> PeersFailed:
    return PeersFailed(
        f"a client ended with {process.returncode}: {complaint.decode(errors='replace')[-2000:]}"
    )
