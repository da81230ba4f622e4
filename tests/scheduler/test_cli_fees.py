"""`channels test` holds a marketplace's own calculator against the split plan we sell on."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings
from connectors.kit.messages import FeeQuote
from connectors.sandbox.eneba import EnebaSandbox
from core.money.money import Money
from core.money.plans.rules import CHANNEL, CONSIGNOR
from core.offers.catalogue import NewSku, add_sku, link_listing
from core.types import ListingRef
from scheduler.cli.fees import compare
from scheduler.composition import open_channels, open_core
from tests.plain_plans import plain_plan, plain_rule
from tests.scheduler.command_line import House, start

AUCTION = ListingRef("auction-1")
_CHANNEL = """
[splits.default]
rules = [
    {{ party = "channel", rate_percent = "{rate}", fixed = "0.25", currency = "EUR" }},
    {{ party = "consignor", rest = true }},
]

[channels.market]
connector = "eneba"
currency = "EUR"

[channels.market.options]
"""


@pytest.mark.parametrize(
    ("keeps_minor", "differs"),
    [(250, False), (251, False), (249, False), (252, False), (253, True), (247, True)],
)
def test_a_unit_or_a_hundredth_of_the_fee_is_rounding(keeps_minor: int, differs: bool) -> None:
    plan = plain_plan("test", 1, [plain_rule(CHANNEL, rate_ppm=125_000), plain_rule(CONSIGNOR, rest=True)])
    quote = FeeQuote(gross=Money(2000, "EUR"), net=Money(2000 - keeps_minor, "EUR"))
    assert compare(AUCTION, quote, plan).differs is differs


async def asked(house: House, market: EnebaSandbox, rate: str, *more: str, linked: bool = True) -> str:
    """What the command prints, run as a process beside the marketplace."""
    options = "".join(
        f"{name} = {json.dumps(value)}\n" for name, value in market.connection_options().items()
    )
    config = house.file("market.toml", _CHANNEL.format(rate=rate) + options)
    if linked:
        await link(Settings.load(Path(config), house.environ))
    process = start(house, "--config", config, "channels", "test", "market", *more)
    out, err = await asyncio.to_thread(process.communicate)
    assert process.returncode == 0, err
    return out


async def link(settings: Settings) -> None:
    async with open_core(settings) as core, open_channels(core) as channels:
        async with core.pool.acquire() as conn, conn.transaction():
            sku = await add_sku(conn, NewSku("CARD-20"), 2)
            channel_id = channels.by_name["market"].terms.channel_id
            listing_id = await link_listing(conn, channel_id, AUCTION, sku, core.allocator)
        await core.pool.execute(
            "UPDATE offer SET published_quantity = 5, published_price_minor = 1999,"
            " published_net_minor = 1854, published_on = true, published_at = now() WHERE listing_id = $1",
            listing_id,
        )


async def test_a_plan_that_expects_too_little_is_warned_of(house: House) -> None:
    async with EnebaSandbox() as market:
        market.add_listing(AUCTION, "SKU-1", quantity=5, price_minor=1999)
        told = await asked(house, market, "3")
        assert (
            "of 19.99 EUR for auction-1 the channel keeps 1.45 EUR; split plan default says 0.85 EUR" in told
        )
        assert "warning: they differ, so prices may be under cost" in told
        fee: dict[str, Any] = json.loads(await asked(house, market, "3", "--json", linked=False))["fee"]
        assert fee == {
            "listing_ref": "auction-1",
            "currency": "EUR",
            "price_minor": 1999,
            "channel_minor": 145,
            "plan": "default",
            "plan_minor": 85,
            "differs": True,
        }


async def test_a_plan_that_agrees_is_told_without_a_warning(house: House) -> None:
    async with EnebaSandbox() as market:
        market.add_listing(AUCTION, "SKU-1", quantity=5, price_minor=1999)
        told = await asked(house, market, "6")
        assert "the channel keeps 1.45 EUR; split plan default says 1.45 EUR" in told
        assert "warning" not in told


async def test_without_a_listing_there_is_nothing_to_compare(house: House) -> None:
    async with EnebaSandbox() as market:
        answer = json.loads(await asked(house, market, "6", "--json", linked=False))
        assert (answer["ok"], answer["fee"]) == (True, None)
