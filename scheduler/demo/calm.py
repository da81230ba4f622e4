"""Waits, once the faults have stopped, until orders have ended and listings show what they should."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

import structlog

from connectors.sandbox.market import SandboxMarket, SandboxOrderState
from core.types import OrderState
from core.views.orders import open_by_state
from core.views.stock import ListingView
from core.views.stock import listings as read_listings
from scheduler.composition import Channels, Core
from scheduler.daemon import Daemon

_LONGEST_SECONDS = 120.0
_LOOK_SECONDS = 0.25
_SYNC_SECONDS = 2.0

_log = structlog.get_logger()


class Calm:
    """Compares consignd's wishes with the marketplaces' own truth, by name of channel."""

    def __init__(
        self, core: Core, channels: Channels, daemon: Daemon, markets: Mapping[str, SandboxMarket]
    ) -> None:
        self._core = core
        self._channels = channels
        self._daemon = daemon
        self._markets = markets

    async def wait(self) -> tuple[float, bool]:
        """Seconds until calm, and whether it came at all."""
        started = time.monotonic()
        synced = 0.0
        while time.monotonic() - started < _LONGEST_SECONDS:
            if time.monotonic() - synced > _SYNC_SECONDS:
                synced = time.monotonic()
                for name in self._markets:
                    await self._daemon.sync_now(name)
            if await self._is_calm():
                return time.monotonic() - started, True
            await asyncio.sleep(_LOOK_SECONDS)
        for difference in (await self._differences())[:20]:
            _log.error("demo.not_converged", difference=difference)
        return time.monotonic() - started, False

    async def _is_calm(self) -> bool:
        pending = (SandboxOrderState.PENDING, SandboxOrderState.PAID)
        if any(o.state in pending for market in self._markets.values() for o in market.orders.values()):
            return False
        return not await orders_unended(self._core) and not await self._differences()

    async def _differences(self) -> list[str]:
        """Listings whose wanted, observed and real values are not all the same."""
        async with self._core.pool.acquire() as conn:
            listings = await read_listings(conn)
        found = []
        for listing in listings:
            real = self._markets[listing.channel].listings[listing.listing_ref]
            shown = real.quantity if real.on else 0
            wanted = listing.wanted.quantity
            observed = listing.observed.quantity if listing.observed.on else 0
            if not (wanted == observed == shown) or listing.dirty or not seen_since_told(listing):
                found.append(
                    f"{listing.channel} {listing.listing_ref}: wanted {wanted}, observed {observed}, "
                    f"really {shown}, {'dirty' if listing.dirty else 'settled'}"
                )
        return found


def seen_since_told(listing: ListingView) -> bool:
    """Whether the channel was looked at after it was last told."""
    told_at, seen_at = listing.published.at, listing.observed.at
    return told_at is None or (seen_at is not None and seen_at > told_at)


async def orders_unended(core: Core) -> int:
    """How many accepted orders still want something done.

    A reservation that the channel never spoke of again is not among them: it ends by itself when its time
    is over, which is days at some channels.
    """
    async with core.pool.acquire() as conn:
        counts = await open_by_state(conn)
    return sum(count.orders for count in counts if count.state is not OrderState.RESERVED)
