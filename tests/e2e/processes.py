"""Runs the daemon as a process of its own, so that it can be killed, and shoppers who buy meanwhile."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import core
from connectors.sandbox.market import SandboxMarket, SandboxOrder, SandboxOrderState
from core.db.postmaster import Cluster
from tests.e2e.house import SETTINGS, Markets

ROOT = Path(core.__file__).parents[1]
# What the installed script does, for whichever checkout is tested.
_CONSIGND = "from scheduler.cli import main; main()"
_ENVIRON = {name: value for name, value in os.environ.items() if not name.startswith("CONSIGND_")}
_START_SECONDS = 40.0
_STOP_SECONDS = 20.0
_ABANDON_PERCENT = 8
_REFUND_PERCENT = 15


class DaemonProcess:
    """One `consignd run`."""

    def __init__(
        self, folder: Path, port: int, name: str = "daemon", environ: Mapping[str, str] | None = None
    ) -> None:
        self._folder = folder
        self._port = port
        self._environ = dict(environ or {})
        self.log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process, which must have been started."""
        assert self._process is not None
        return self._process

    def launch(self) -> None:
        """Start it, and wait for nothing."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    _CONSIGND,
                    "run",
                    "--config",
                    str(self._folder / SETTINGS),
                ],
                cwd=ROOT,
                env={**_ENVIRON, **self._environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    async def start(self) -> float:
        """Start it; how many seconds it took until it served."""
        started = time.monotonic()
        self.launch()
        await self.serving()
        return time.monotonic() - started

    async def serving(self) -> None:
        """Wait until it serves."""
        started = time.monotonic()
        while not await self._serves():
            assert self.process.poll() is None, f"the daemon ended by itself:\n{self.last_words()}"
            assert time.monotonic() - started < _START_SECONDS, f"it does not serve:\n{self.last_words()}"
            await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """As if somebody pulled the plug."""
        self.process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(self.process.wait)

    async def stop(self) -> float:
        """Ask it to leave; how many seconds it took."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(self.process.wait, _STOP_SECONDS)
        return time.monotonic() - started

    def last_words(self) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-40:])

    async def end(self) -> None:
        """Whatever happened, leave no process behind."""
        if self._process is not None and self._process.poll() is None:
            try:
                await self.stop()
            except subprocess.TimeoutExpired:
                await self.kill()

    async def _serves(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            return False
        writer.close()
        return True


def kill_postgres(data_dir: Path) -> bool:
    """Kill the server's own process, not its children, as the kernel would; False if it was dead already."""
    running = Cluster(data_dir.resolve()).running()
    if running is None:
        return False
    os.kill(running.pid, signal.SIGKILL)
    return True


@dataclass(slots=True)
class Crowd:
    """Buyers at all three marketplaces; some walk away, some want their money back."""

    markets: Markets
    per_second: float
    seed: int
    placed: list[SandboxOrder] = field(default_factory=list)
    refused: int = 0
    _under_way: set[asyncio.Task[None]] = field(default_factory=set)

    @asynccontextmanager
    async def shopping(self) -> AsyncIterator[None]:
        """They come and go inside the block; at its end the last ones finish."""
        tasks = [
            asyncio.create_task(self._come(market, random.Random(self.seed + number)))
            for number, market in enumerate(self.markets.all)
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.gather(*self._under_way)

    async def _come(self, market: SandboxMarket, rng: random.Random) -> None:
        while True:
            await asyncio.sleep(rng.expovariate(self.per_second))
            task = asyncio.create_task(self._buy(market, rng))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _buy(self, market: SandboxMarket, rng: random.Random) -> None:
        shown = [listing for listing in market.listings.values() if listing.on and listing.quantity > 1]
        if not shown:
            return
        abandon = rng.randrange(100) < _ABANDON_PERCENT
        order = await market.buy(rng.choice(shown).listing_ref, rng.choice((1, 1, 2)), abandon=abandon)
        if order is None:
            self.refused += 1
            return
        if not abandon:
            self.placed.append(order)
        if rng.randrange(100) < _REFUND_PERCENT:
            await asyncio.sleep(rng.uniform(0.5, 3.0))
            if order.state is SandboxOrderState.DELIVERED:
                await market.refund(order.order_ref)
