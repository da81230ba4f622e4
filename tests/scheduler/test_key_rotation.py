"""What runs while its keys are rotated opens codes sealed under the new one, without a restart."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from config.settings import Settings
from core.errors import KeyRefused
from core.money.money import Money
from core.offers.catalogue import NewSku, add_sku, link_listing
from core.types import ChannelOrder, LineRef, ListingRef, OrderId, OrderLine, OrderRef, Payment
from scheduler.composition import Channels, Core, open_channels, open_core
from tests.scheduler.command_line import SHOP, House, start


async def command(house: House, *arguments: str) -> dict[str, object]:
    """What another process of ours, as an operator starts it, prints with --json."""
    process = start(house, *arguments, "--json")
    out, err = await asyncio.to_thread(process.communicate)
    assert process.returncode == 0, err
    told: dict[str, object] = json.loads(out)
    return told


async def bring(house: House, code: str) -> None:
    path = house.file(f"{code}.csv", f"secret\n{code}\n")
    await command(house, "import", path, "--sku", "CARD-20", "--consignor", "Kaart")


async def sell(core: Core, channels: Channels, order_ref: str) -> list[str]:
    """Take an order in, and open its codes as a delivery does."""
    terms = channels.by_name["shop"].terms
    line = OrderLine(LineRef("1"), ListingRef("77"), 1, Money(2000, "EUR"))
    await core.intake.take_in(
        terms, ChannelOrder(OrderRef(order_ref), Payment.PAID, [line], datetime.now(UTC)), "test"
    )
    (attempt,) = await core.fulfilment.start(await core.fulfilment.due(terms, 10))
    await core.fulfilment.delivered(terms, attempt.order)
    return [code.secret for own in attempt.lines for code in own.codes]


async def test_a_running_program_opens_codes_that_are_sealed_under_a_key_it_never_saw(house: House) -> None:
    settings = Settings.load(Path(house.file("shop.toml", SHOP)), house.environ)
    async with open_core(settings) as core, open_channels(core) as channels:
        async with core.pool.acquire() as conn, conn.transaction():
            sku = await add_sku(conn, NewSku("CARD-20"), 2)
            shop_id = channels.by_name["shop"].terms.channel_id
            await link_listing(conn, shop_id, ListingRef("77"), sku, core.allocator)
        await bring(house, "BEFORE-1")
        await bring(house, "BEFORE-2")
        assert await sell(core, channels, "1") == ["BEFORE-1"]
        rotated = await command(house, "keys", "rotate")
        await bring(house, "AFTER-1")
        known = core.vault.keyring.keys
        assert rotated["current"] not in known
        # A batch that was moved under the new key, and one that never was under another.
        assert await sell(core, channels, "2") == ["BEFORE-2"]
        assert await sell(core, channels, "3") == ["AFTER-1"]
        assert rotated["current"] in core.vault.keyring.keys


async def test_a_key_that_is_nowhere_to_be_read_is_named(house: House) -> None:
    """The key file was rotated on another machine, and not brought here."""
    settings = Settings.load(Path(house.file("shop.toml", SHOP)), house.environ)
    async with open_core(settings) as core, open_channels(core) as channels:
        async with core.pool.acquire() as conn, conn.transaction():
            sku = await add_sku(conn, NewSku("CARD-20"), 2)
            shop_id = channels.by_name["shop"].terms.channel_id
            await link_listing(conn, shop_id, ListingRef("77"), sku, core.allocator)
        key_file = house.folder / "data" / "sealing-keys"
        before = key_file.read_bytes()
        rotated = await command(house, "keys", "rotate")
        await bring(house, "AFTER-1")
        after = key_file.read_bytes()
        key_file.write_bytes(before)
        with pytest.raises(KeyRefused, match=str(rotated["current"])):
            await sell(core, channels, "1")
        # Once the file is brought, the order that was left goes out without a restart.
        key_file.write_bytes(after)
        async with core.pool.acquire() as conn:
            order_id: int = await conn.fetchval("SELECT order_id FROM channel_order")
            opened = await core.opener.open_orders(conn, [OrderId(order_id)])
        assert [code.payload.secret for codes in opened.values() for code in codes] == ["AFTER-1"]
