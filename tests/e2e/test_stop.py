"""The kill switch in front of the three sandbox markets: after one push nothing is for sale there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from connectors.kit.abilities import PublishesOffers
from connectors.sandbox.market import SandboxMarket
from core.money.money import Money
from core.offers.catalogue import find_sku, pause_channel, set_base_price
from core.offers.closures.switches import Scope, Switch, release, stop
from core.types import ListingRef
from scheduler.composition import Channels, Core, open_channels, open_core, utc_now
from scheduler.demo.house import link_everything, stock_up
from scheduler.demo.markets import list_everywhere, listing_ref_of
from scheduler.loops.push import Pusher
from tests.e2e.house import Markets, buy, open_house, some_skus, three_markets, until, write_house_settings


@dataclass(slots=True)
class Quiet:
    """Three markets and their channels, with nobody at work but the test."""

    core: Core
    channels: Channels
    markets: Markets

    async def push(self) -> None:
        """One push of every channel."""
        for channel in self.channels.by_name.values():
            connector = channel.connector
            assert isinstance(connector, PublishesOffers)
            pusher = Pusher(self.channels.outbox, channel.terms, connector, connector.traits)
            await pusher.push()

    async def push_until_on_sale(self) -> None:
        async def on_sale() -> bool:
            await self.push()
            return all(len(self.for_sale(market)) == 3 for market in self.markets.all)

        await until(on_sale, "everything is for sale")

    @staticmethod
    def for_sale(market: SandboxMarket) -> list[ListingRef]:
        """What a buyer could take there now."""
        return [ref for ref, listing in market.listings.items() if listing.on and listing.quantity > 0]

    async def turn(self, switch: Switch, *, on: bool) -> None:
        async with self.core.pool.acquire() as conn, conn.transaction():
            await (stop if on else release)(conn, switch, actor="anna", reason="a leak", at=utc_now())

    async def pause(self, name: str, *, paused: bool) -> None:
        async with self.core.pool.acquire() as conn, conn.transaction():
            at = utc_now() if paused else None
            await pause_channel(conn, name, self.core.allocator, at=at, reason="a test")

    async def change_all_prices(self) -> None:
        """Leave every channel with something else to tell as well."""
        async with self.core.pool.acquire() as conn, conn.transaction():
            for number in range(3):
                sku = await find_sku(conn, f"GAME-EUR-20-{number}")
                await set_base_price(conn, sku, Money(2100, "EUR"), self.core.allocator)


@pytest.fixture
async def quiet(dsn: str, tmp_path: Path) -> AsyncIterator[Quiet]:
    markets, skus = three_markets(), some_skus(3, codes=30)
    async with AsyncExitStack() as stack:
        for market in markets.all:
            await stack.enter_async_context(market)
        settings = write_house_settings(tmp_path, markets, {"CONSIGND_DATABASE_URL": dsn})
        list_everywhere(markets.all, skus)
        core = await stack.enter_async_context(open_core(settings, "test"))
        await stock_up(core, skus, tmp_path, seed=1)
        channels = await stack.enter_async_context(open_channels(core))
        await link_everything(core, channels, markets.all, skus)
        quiet = Quiet(core, channels, markets)
        await quiet.push_until_on_sale()
        yield quiet


async def test_after_stopping_everything_one_push_leaves_nothing_for_sale(quiet: Quiet) -> None:
    await quiet.change_all_prices()
    await quiet.turn(Switch(Scope.EVERYTHING), on=True)
    await quiet.push()
    assert {market.name: quiet.for_sale(market) for market in quiet.markets.all} == {
        market.name: [] for market in quiet.markets.all
    }
    await quiet.turn(Switch(Scope.EVERYTHING), on=False)
    await quiet.push_until_on_sale()


@pytest.mark.parametrize("name", ["eneba", "kinguin", "woocommerce"])
async def test_a_channel_is_stopped_alone_and_resuming_it_does_not_let_it_go(quiet: Quiet, name: str) -> None:
    await quiet.pause(name, paused=True)
    await quiet.turn(Switch(Scope.CHANNEL, name), on=True)
    await quiet.pause(name, paused=False)
    await quiet.push()
    for market in quiet.markets.all:
        assert len(quiet.for_sale(market)) == (0 if market is quiet.markets.by_name[name] else 3)


async def test_a_sku_is_stopped_on_every_market_and_no_other_is(quiet: Quiet) -> None:
    await quiet.turn(Switch(Scope.SKU, "GAME-EUR-20-1"), on=True)
    await quiet.push()
    for market in quiet.markets.all:
        expected = {ListingRef(listing_ref_of(market, number)) for number in (0, 2)}
        assert set(quiet.for_sale(market)) == expected


async def test_a_running_daemon_stops_and_refuses_what_is_on_its_way(dsn: str, tmp_path: Path) -> None:
    async with open_house(dsn, tmp_path, codes=20) as house:
        eneba = house.markets.eneba
        await buy(eneba)
        async with house.core.pool.acquire() as conn, conn.transaction():
            await stop(conn, Switch(Scope.EVERYTHING), actor="anna", reason="a leak", at=utc_now())
        # A buyer who is quicker than the push: the marketplace asks, and is told no.
        [listing] = [each for each in eneba.listings.values() if each.on]
        assert await eneba.buy(listing.listing_ref) is None

        def nothing() -> bool:
            return not any(Quiet.for_sale(market) for market in house.markets.all)

        await until(nothing, "nothing is for sale")
