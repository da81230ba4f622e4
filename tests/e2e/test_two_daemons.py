"""Two daemons share the channels of one database; when one goes the other takes over, unnoticed by orders."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from config.settings import Settings
from core.db.embedded import EmbeddedServer
from scheduler.composition import Channels, Core, open_channels, open_core
from scheduler.demo.house import free_port, link_everything, stock_up
from scheduler.demo.markets import list_everywhere
from tests.e2e.house import (
    SETTINGS,
    Markets,
    judge,
    some_skus,
    three_markets,
    until,
    wait_until_calm,
    write_house_settings,
)
from tests.e2e.processes import Crowd, DaemonProcess

pytestmark = pytest.mark.timeout(300)

_LEASE_SECONDS = 5
# What is promised, with three times the lease; and for a graceful stop.
_TAKEN_OVER_SECONDS = 15.0
_STOPPED_SECONDS = 10.0
_HELD = """
    SELECT holder, array_agg(name ORDER BY name) AS channels
    FROM lease JOIN channel USING (channel_id)
    WHERE expires_at > now()
    GROUP BY holder
"""


@dataclass(frozen=True, slots=True)
class Twins:
    """Two daemons, and what the test looks through."""

    core: Core
    channels: Channels
    markets: Markets
    daemons: Sequence[DaemonProcess]

    async def held(self) -> dict[int, list[str]]:
        """The channels that each living daemon drives, by its process."""
        rows = await self.core.pool.fetch(_HELD)
        return {int(str(row["holder"]).rsplit("-", 2)[1]): list(row["channels"]) for row in rows}

    async def shared(self) -> bool:
        """Whether each drives at least one, and all are driven."""
        held = await self.held()
        pids = {daemon.process.pid for daemon in self.daemons}
        return pids <= set(held) and sum(map(len, held.values())) == len(self.markets.all)

    async def all_held_by(self, daemon: DaemonProcess) -> bool:
        """Whether one of them drives everything."""
        held = await self.held()
        return len(held.get(daemon.process.pid, [])) == len(self.markets.all)

    async def end_well(self) -> None:
        """Nothing lost, nothing doubled."""
        await wait_until_calm(self.core, self.channels, self.markets)
        verdict = await judge(self.core, self.channels, self.markets)
        assert not verdict.wrong, f"\n{verdict}"


def daemon_of(folder: Path, settings: Settings, number: int) -> DaemonProcess:
    """A daemon with a folder and a port of its own; marketplaces call the first one's address."""
    own = folder / f"daemon-{number}"
    own.mkdir()
    port = settings.web.port if number == 0 else free_port()
    text = (folder / SETTINGS).read_text()
    text = text.replace(f"port = {settings.web.port}\n", f"port = {port}\n", 1)
    text = text.replace("lease_seconds = 10", f"lease_seconds = {_LEASE_SECONDS}")
    (own / SETTINGS).touch(mode=0o600)
    (own / SETTINGS).write_text(text)
    assert settings.database_url is not None
    return DaemonProcess(
        own, port, environ={"CONSIGND_DATABASE_URL": settings.database_url.get_secret_value()}
    )


@asynccontextmanager
async def two_daemons(folder: Path) -> AsyncIterator[Twins]:
    """Both at work, sharing the channels, every listing on sale."""
    async with AsyncExitStack() as stack:
        server = EmbeddedServer(folder / "database", durable=False)
        dsn = await server.start()
        stack.push_async_callback(server.stop)
        markets = three_markets()
        for market in markets.all:
            await stack.enter_async_context(market)
        settings = write_house_settings(folder, markets, {"CONSIGND_DATABASE_URL": dsn})
        skus = some_skus(4, codes=300)
        list_everywhere(markets.all, skus)
        core = await stack.enter_async_context(open_core(settings, "test"))
        await stock_up(core, skus, folder, seed=1)
        channels = await stack.enter_async_context(open_channels(core))
        await link_everything(core, channels, markets.all, skus)
        daemons = [daemon_of(folder, settings, number) for number in range(2)]
        for daemon in daemons:
            stack.push_async_callback(daemon.end)
            daemon.launch()
        for daemon in daemons:
            await daemon.serving()
        twins = Twins(core, channels, markets, daemons)
        await until(twins.shared, "each of them drives something")
        await until(
            lambda: all(each.quantity > 0 for market in markets.all for each in market.listings.values()),
            "every listing is on sale",
        )
        yield twins


def tell(capsys: pytest.CaptureFixture[str], line: str) -> None:
    with capsys.disabled():
        sys.stdout.write(f"\n  {line}\n")


async def test_a_killed_daemon_s_channels_are_driven_by_the_other_within_seconds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with two_daemons(tmp_path) as twins:
        # The first one serves the callbacks, so it is the second that dies.
        survivor, victim = twins.daemons
        crowd = Crowd(twins.markets, per_second=1.0, seed=1)
        async with crowd.shopping():
            await until(lambda: len(crowd.placed) >= 5, "people buy")
            orphaned = (await twins.held())[victim.process.pid]
            await victim.kill()
            killed = time.monotonic()
            await until(lambda: twins.all_held_by(survivor), "the other drives all channels")
            took_seconds = time.monotonic() - killed
            tell(capsys, f"{', '.join(orphaned)} taken over {took_seconds:.1f} s after the kill")
            assert took_seconds <= _TAKEN_OVER_SECONDS
            before = len(crowd.placed)
            await until(lambda: len(crowd.placed) >= before + 5, "people go on buying")
        await twins.end_well()


async def test_a_daemon_that_leaves_hands_over_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with two_daemons(tmp_path) as twins:
        survivor, leaver = twins.daemons
        crowd = Crowd(twins.markets, per_second=1.0, seed=2)
        async with crowd.shopping():
            await until(lambda: len(crowd.placed) >= 5, "people buy")
            asked = time.monotonic()
            stopped_seconds = await leaver.stop()
            await until(lambda: twins.all_held_by(survivor), "the other drives all channels")
            handed_over_seconds = time.monotonic() - asked
            tell(
                capsys,
                f"left within {stopped_seconds:.1f} s, handed over after {handed_over_seconds:.1f} s",
            )
            assert leaver.process.returncode == 0
            assert stopped_seconds <= _STOPPED_SECONDS
            assert handed_over_seconds <= _TAKEN_OVER_SECONDS
            assert re.search(r"daemon\.stopped", leaver.log.read_text())
        await twins.end_well()


async def test_a_daemon_that_comes_gets_its_share(tmp_path: Path) -> None:
    async with two_daemons(tmp_path) as twins:
        survivor, other = twins.daemons
        await other.kill()
        await until(lambda: twins.all_held_by(survivor), "the other drives all channels")
        await other.start()
        await until(twins.shared, "each of them drives something")
        await twins.end_well()
