"""`orders approve` and `orders cancel`: what a person decides about an order that waits."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from config.settings import Settings
from core.codes.importer import ImportOrder
from core.money.money import Money
from core.offers.catalogue import NewSku, add_consignor, add_sku, link_listing
from core.types import ChannelOrder, LineRef, ListingRef, OrderLine, OrderRef, Payment
from scheduler.cli.exits import Exit
from scheduler.composition import open_channels, open_core
from tests.scheduler.command_line import House

MARKET = """
[splits.default]
rules = [{ party = "channel", rate_percent = "12" }, { party = "consignor", rest = true }]

[channels.market]
connector = "kinguin"
currency = "EUR"
risk = { hold_above = "30.00", hold_above_quantity = 5 }

[channels.market.options]
client_id = "consignor"
client_secret = "0123456789abcdef"
webhook_token = "0123456789abcdef0123"
"""


@pytest.fixture
def config(house: House) -> str:
    """A channel that cannot cancel, with one paid order of 40.00 taken in."""
    config = house.file("market.toml", MARKET)
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(_take_one_in(Settings.load(Path(config), house.environ), house))
    return config


async def _take_one_in(settings: Settings, house: House) -> None:
    path = Path(house.file("codes.txt", "HELD-1\nHELD-2\nHELD-3\n"))
    async with open_core(settings) as core, open_channels(core) as channels:
        terms = channels.by_name["market"].terms
        async with core.pool.acquire() as conn, conn.transaction():
            sku = await add_sku(conn, NewSku("CARD-20"), 2)
            consignor_id = await add_consignor(conn, "Kaart")
            await link_listing(conn, terms.channel_id, ListingRef("77"), sku, core.allocator)
        await core.importer.run(ImportOrder(path, sku, consignor_id, 100, Money(900, "EUR"), None, "test"))
        line = OrderLine(LineRef("1"), ListingRef("77"), 2, Money(2000, "EUR"))
        told = ChannelOrder(OrderRef("dear"), Payment.PAID, [line], datetime.now(UTC))
        await core.intake.take_in(terms, told, "test")


def test_a_held_order_is_listed_with_its_reason_and_approved_once(house: House, config: str) -> None:
    (listed,) = house.json("--config", config, "orders", "--state", "held")["orders"]
    assert listed["order_ref"] == "dear"
    (came,) = house.json("--config", config, "orders", "show", "dear")["moves"]
    assert "40.00 EUR is above 30.00 EUR" in came["reason"]
    approved = house.json("--config", config, "orders", "approve", "dear", "--reason", "a known buyer")
    assert approved == {"order_id": listed["order_id"], "state": "accepted"}
    again = house.run("--config", config, "orders", "approve", "dear", "--reason", "again")
    assert again.exit_code == Exit.CONFLICT
    assert house.json("--config", config, "check")["ok"] is True


def test_where_the_channel_cannot_be_told_cancelling_says_so(house: House, config: str) -> None:
    result = house.run("--config", config, "orders", "cancel", "market/dear", "--reason", "a fraud")
    assert result.exit_code == 0, result.output
    assert "is cancelled; the channel cannot be told: refund dear there yourself" in result.stdout
    assert house.json("--config", config, "stock")["skus"][0]["counts"]["available"] == 3
    again = house.run("--config", config, "orders", "cancel", "dear", "--reason", "a fraud", "--json")
    assert (again.exit_code, again.stdout) == (Exit.CONFLICT, "")
    assert house.json("--config", config, "check")["ok"] is True


@pytest.mark.parametrize("command", ["approve", "cancel"])
def test_a_decision_needs_a_reason_and_an_order_that_exists(house: House, config: str, command: str) -> None:
    assert house.run("--config", config, "orders", command, "dear").exit_code == Exit.USAGE
    nobody = house.run("--config", config, "orders", command, "none", "--reason", "x")
    assert nobody.exit_code == Exit.USAGE
    blank = house.run("--config", config, "orders", command, "dear", "--reason", " ")
    assert blank.exit_code == Exit.USAGE
    assert house.json("--config", config, "orders", "show", "dear")["order"]["state"] == "held"
