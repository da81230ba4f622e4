"""`consignd wallets` and `consignd points` show, give, spend, take back, redeem, and tell what is owed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import asyncpg
import pytest

from core.buyers.buyers import known_buyers
from core.types import ChannelId
from tests.scheduler.command_line import House

STARS = """
[points.stars]
currency = "EUR"
value = "1/2"
expires_days = 365
smallest_redemption = 10
levels = [{ name = "member", percent = 100 }, { name = "silver", start = 30, percent = 125 }]
tasks.review = { points = 20 }
tasks.invite = { points = 25 }
"""
BUYER = "shop/u-1"
EUR = ("--currency", "EUR")


async def _know_a_buyer(dsn: str) -> None:
    conn = await asyncpg.connect(dsn)
    try:
        channel_id = await conn.fetchval(
            "INSERT INTO channel (name, connector, currency) VALUES ('shop', 'test', 'EUR')"
            " RETURNING channel_id"
        )
        await known_buyers(conn, [(ChannelId(channel_id), "u-1")], datetime.now(UTC))
    finally:
        await conn.close()


async def _know_another(dsn: str) -> None:
    conn = await asyncpg.connect(dsn)
    try:
        channel_id = await conn.fetchval("SELECT channel_id FROM channel WHERE name = 'shop'")
        await known_buyers(conn, [(ChannelId(channel_id), "u-2")], datetime.now(UTC))
    finally:
        await conn.close()


@pytest.fixture
def shop(house: House) -> House:
    """A house in which one buyer is known."""
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(_know_a_buyer(house.dsn))
    return house


def test_money_is_given_spent_and_taken_back_lot_by_lot(shop: House) -> None:
    give = ("wallets", "credit", BUYER, "10.00", *EUR, "--ref", "slow", "--reason", "a slow delivery")
    lot = shop.json(*give, "--expires-days", "20")["lot_id"]
    assert shop.json(*give)["lot_id"] == lot
    spend = ("wallets", "spend", BUYER, "4.00", *EUR, "--ref", "order 1", "--reason", "his order")
    first = shop.json(*spend, "--channel", "shop")
    assert (first["amount_minor"], first["again"]) == (400, False)
    assert shop.json(*spend, "--channel", "shop") == {**first, "again": True}
    assert "spent before by order 1" in shop.run(*spend, "--channel", "shop").stdout
    back = shop.json("wallets", "take-back", str(lot), "7.00", *EUR, "--reason", "refunded")
    assert back == {"lot_id": lot, "owed_minor": 100, "currency": "EUR"}
    wallet = shop.json("wallets", "show", BUYER, "--all")
    assert wallet["standings"] == [
        {"currency": "EUR", "usable_minor": 0, "pending_minor": 0, "owed_minor": 100}
    ]
    assert [use["kind"] for use in wallet["lots"][0]["uses"]] == ["spent", "taken_back", "claimed"]
    told = shop.run("wallets", "show", BUYER, "--all").stdout
    assert "0.00 EUR to spend, 0.00 EUR pending, owes us 1.00 EUR" in told
    assert "by hand slow" in told
    assert shop.run("check").exit_code == 0


def test_what_expires_is_listed_and_money_can_be_paid_out(shop: House) -> None:
    for ref, days in (("a", "5"), ("b", "50")):
        give = ("wallets", "credit", BUYER, "1.00", *EUR, "--ref", ref, "--expires-days", days)
        assert shop.run(*give, "--reason", "x").exit_code == 0
    [lot] = shop.json("wallets", "list", "--expiring", "30")["lots"]
    assert (lot["buyer"], lot["amount_minor"], lot["points"]) == (BUYER, 100, None)
    assert len(shop.json("wallets", "list", "--expiring", "60")["lots"]) == 2
    assert BUYER in shop.run("wallets", "list").stdout
    out = ("wallets", "spend", BUYER, "2.00", *EUR, "--ref", "p", "--paid-out", "--reason", "he left")
    assert "2.00 EUR spent" in shop.run(*out).stdout
    balances = {
        (row["party"], row["purpose"]): row["balance_minor"]
        for row in shop.json("ledger", "balances")["balances"]
    }
    assert balances["operator", "bank"] == -200
    back = ("wallets", "give-back", "p", "0.50", *EUR, "--refund-ref", "p-1", "--reason", "he stays")
    assert shop.json(*back) == shop.json(*back)
    assert "0.50 EUR of p are back in the wallet" in shop.run(*back).stdout
    assert shop.json("wallets", "show", BUYER)["standings"][0]["usable_minor"] == 50
    assert balances["operator", "rebate"] == 200


def test_points_are_given_for_tasks_redeemed_and_told_as_owed(shop: House) -> None:
    config = ("--config", shop.file("points.toml", STARS))
    task = (*config, "points", "task", BUYER, "review", "--ref", "product 1", "--reason", "he wrote one")
    given = shop.json(*task)
    assert given["points"] == 20
    assert shop.json(*task) == given
    assert "25 points for invite" in shop.run(
        *config, "points", "task", BUYER, "invite", "--ref", "a friend", "--reason", "x"
    ).stdout  # fmt: skip
    owed = shop.json(*config, "points", "liability")["liability"]
    assert [(row["programme"], row["points"], row["amount_minor"]) for row in owed] == [("stars", 45, 23)]
    assert "stars: 0.23 EUR in all" in shop.run(*config, "points", "liability").stdout
    redeem = (*config, "points", "redeem", BUYER, "30", "--ref", "r-1", "--reason", "he asked")
    done = shop.json(*redeem)
    # All of the first lot, and 10 of the second: its 13 cents keep 15/25 for what is left.
    assert (done["points"], done["amount_minor"], done["again"]) == (30, 10 + 5, False)
    assert shop.json(*redeem) == {**done, "again": True}
    shown = shop.json(*config, "points", "show", BUYER)
    assert [(each["usable"], each["worth_minor"]) for each in shown["standings"]] == [(15, 8)]
    assert shown["levels"] == {"stars": "silver"}
    told = shop.run(*config, "points", "show", BUYER, "--all").stdout
    assert f"{BUYER}: silver in stars" in told
    assert "stars: 15 points to redeem, 0 pending, worth 0.08 EUR" in told
    assert shop.run("check").exit_code == 0


def test_what_is_wrong_is_said_with_its_cure(shop: House) -> None:
    config = ("--config", shop.file("points.toml", STARS))
    why = ("--ref", "1", "--reason", "x")
    spend = ("wallets", "spend", BUYER, "1.00", *EUR, *why)
    for arguments, code, told in (
        (("wallets", "show", "shop/nobody"), 2, "no buyer is called 'shop/nobody'"),
        ((*spend,), 2, "either --channel or --paid-out"),
        ((*spend, "--channel", "shop", "--paid-out"), 2, "either --channel or --paid-out"),
        ((*spend, "--channel", "shop"), 6, "can spend 0.00 EUR, not 1.00 EUR"),
        ((*spend, "--channel", "nowhere"), 2, "channel 'nowhere' is not known"),
        (("wallets", "credit", BUYER, "0.001", *EUR, *why), 2, "EUR has 2 decimals"),
        (("wallets", "credit", BUYER, "1.00", *EUR, "--ref", "1"), 2, "--reason"),
        (("wallets", "take-back", "9", "1.00", *EUR, "--reason", "x"), 2, "there is no lot 9"),
        (("points", "redeem", BUYER, "10", *why), 2, "write [points.NAME] in the settings"),
        ((*config, "points", "redeem", BUYER, "9", *why), 6, "redeem 10 or more"),
        ((*config, "points", "task", BUYER, "dance", *why), 2, "those are review, invite"),
        ((*config, "points", "show", BUYER, "--programme", "moons"), 2, "name one of stars"),
    ):
        result = shop.run(*arguments)
        assert (result.exit_code, told in result.stderr) == (code, True), result.output
    two = STARS + STARS.replace("points.stars", "points.moons")
    both = ("--config", shop.file("two.toml", two))
    assert "--programme with one of stars, moons" in shop.run(
        *both, "points", "redeem", BUYER, "10", *why
    ).stderr  # fmt: skip


def test_joined_names_show_and_spend_one_wallet(shop: House) -> None:
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(_know_another(shop.dsn))
    for name, ref in (("u-1", "one"), ("u-2", "two")):
        give = (
            "wallets",
            "credit",
            f"shop/{name}",
            "3.00",
            *EUR,
            "--ref",
            ref,
            "--reason",
            "a slow delivery",
        )
        assert shop.json(*give)["lot_id"]
    assert shop.run("buyers", "join", BUYER, "shop/u-2", "--reason", "one mail address").exit_code == 0
    wallet = shop.json("wallets", "show", "shop/u-2")
    assert [each["usable_minor"] for each in wallet["standings"]] == [600]
    assert [lot["buyer"] for lot in wallet["lots"]] == ["shop/u-2", "shop/u-1"]
    assert "(shop/u-2)" in shop.run("wallets", "show", BUYER).stdout
    spend = (
        "wallets",
        "spend",
        BUYER,
        "5.00",
        *EUR,
        "--ref",
        "order 1",
        "--reason",
        "his order",
        "--paid-out",
    )
    assert shop.json(*spend)["amount_minor"] == 500
    parted = shop.run("buyers", "part", "shop/u-2", "--reason", "two after all")
    assert parted.exit_code == 0
    assert [each["usable_minor"] for each in shop.json("wallets", "show", "shop/u-2")["standings"]] == [100]
    assert shop.json("wallets", "show", BUYER)["standings"] == []
