"""`rates`, `price holds` and their like, and `sync plan`: what a person tells and asks about prices."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from config.settings import Settings
from core.money.money import Money
from core.offers.pricing.holds import AskedPrice, ask_for_prices
from core.types import ListingId
from scheduler.composition import open_core
from tests.scheduler.command_line import SHOP, House, sell_one

T = TypeVar("T")


def run(work: Coroutine[None, None, T]) -> T:
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(work)


def test_a_rate_is_told_by_hand_and_shown_turned_round(house: House) -> None:
    told = house.run("rates", "set", "eur", "usd", "1.25", "--reason", "the bank's")
    assert told.exit_code == 0, told.output
    [row] = house.json("rates", "list")["rates"]
    assert (row["base"], row["quote"], row["rate"], row["source"]) == ("EUR", "USD", "1.25", "by hand")
    assert not row["too_old"]
    [turned] = house.json("rates", "list", "--pair", "USD", "EUR")["rates"]
    assert turned["rate"] == "0.8"
    assert "1.25" in house.run("rates").output


def test_rates_come_from_a_file_all_or_none(house: House) -> None:
    good = house.file("good.csv", "base,quote,rate,at\nEUR,USD,1.25,2026-01-01\nEUR,GBP,0.9,2026-01-01\n")
    bad = house.file("bad.csv", "base,quote,rate,at\nEUR,CHF,1,2026-01-01\nEUR,CNY,much,2026-01-01\n")
    refused = house.run("rates", "load", bad)
    assert refused.exit_code != 0
    assert "line 3" in refused.output
    assert house.json("rates", "list")["rates"] == []
    assert "2 rates in good.csv, 2 of them new" in house.run("rates", "load", good).output
    assert "0 of them new" in house.run("rates", "load", good).output
    rates = house.json("rates", "list")["rates"]
    assert [row["too_old"] for row in rates] == [True, True], "a rate of January is too old by now"


def test_fetching_without_a_source_says_how_to_write_one(house: House) -> None:
    refused = house.run("rates", "fetch")
    assert refused.exit_code != 0
    assert "under [rates]" in refused.output


def test_settings_of_rates_are_refused_by_their_line(house: House) -> None:
    config = house.file("c.toml", '[rates]\nurl = "http://rates.example.com"\n')
    refused = house.run("--config", config, "config", "check")
    assert refused.exit_code != 0
    assert "c.toml:2" in refused.output
    assert "https://" in refused.output


async def _hold(settings: Settings) -> None:
    async with open_core(settings) as core, core.pool.acquire() as conn, conn.transaction():
        listing_id: int = await conn.fetchval("SELECT listing_id FROM listing")
        asked = AskedPrice(ListingId(listing_id), 2000, Money(4000, "EUR"), "more than 50 % at once")
        await ask_for_prices(conn, [ListingId(listing_id)], [asked], datetime.now(UTC))


def test_a_held_price_is_shown_approved_once_and_kept_in_the_audit(house: House) -> None:
    sell_one(house)
    config = str(house.folder / "shop.toml")
    run(_hold(Settings.load(Path(config), house.environ)))
    [hold] = house.json("--config", config, "price", "holds")["holds"]
    assert (hold["price_minor"], hold["verdict"], hold["listing_ref"]) == (4000, None, "77")
    number = str(hold["hold_id"])
    assert "40.00 EUR" in house.run("--config", config, "price", "holds").output
    approved = house.run("--config", config, "price", "approve", number, "--reason", "the cost rose")
    assert approved.exit_code == 0, approved.output
    again = house.run("--config", config, "price", "refuse", number, "--reason", "no")
    assert again.exit_code != 0
    assert "approved by cli:" in again.output
    assert house.json("--config", config, "price", "holds")["holds"] == []
    [decided] = house.json("--config", config, "price", "holds", "--all")["holds"]
    assert (decided["verdict"], decided["reason"]) == ("approved", "the cost rose")


def test_a_signature_below_the_floor_is_given_shown_and_revoked(house: House) -> None:
    sell_one(house)
    config = str(house.folder / "shop.toml")
    sign = ("--config", config, "price", "sign", "shop", "77", "5.00", "--reason", "clearance", "--until")
    signed = house.run(*sign, f"{datetime.now(UTC) + timedelta(days=30):%Y-%m-%d}")
    assert signed.exit_code == 0, signed.output
    [known] = house.json("--config", config, "price", "exceptions")["exceptions"]
    assert (known["least_minor"], known["reason"]) == (500, "clearance")
    number = str(known["exception_id"])
    assert house.run("--config", config, "price", "revoke", number, "--reason", "over").exit_code == 0
    assert house.json("--config", config, "price", "exceptions")["exceptions"] == []
    too_long = house.run(*sign, "2099-01-01")
    assert "a year at most" in too_long.output


def test_a_plan_shows_what_would_go_out_and_a_dry_run_that_nothing_does(house: House) -> None:
    sell_one(house)
    config = str(house.folder / "shop.toml")
    house.run("--config", config, "stock", "price", "CARD-20", "15", "EUR")
    [plan] = house.json("--config", config, "sync", "plan")["channels"]
    assert (plan["channel"], plan["listings"], plan["dry_run"]) == ("shop", 1, False)
    dry = house.file("dry.toml", SHOP.replace("[channels.shop]\n", "[channels.shop]\ndry_run = true\n"))
    [plan] = house.json("--config", dry, "sync", "plan", "--all")["channels"]
    assert (plan["dry_run"], plan["would_send"]) == (True, 0)
    shown = house.run("--config", dry, "sync", "plan", "--all")
    assert "a dry run" in shown.output
    unknown = house.run("--config", config, "sync", "plan", "--channel", "nowhere")
    assert unknown.exit_code != 0
