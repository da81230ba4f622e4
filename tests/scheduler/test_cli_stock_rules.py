"""Shows that written rules reach the quantities, and that `stock explain` says which gave which number."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.problems import SettingsRefused
from config.settings import Settings
from connectors.kit.errors import OptionsRefused
from core.offers.stock.rules import Lifted, PartBuffer, RiskBuffer, SharedBy, StockPolicy
from scheduler.cli.exits import Exit
from scheduler.stock_terms import channel_stock, channel_tier, listing_stock, stock_policy
from tests.scheduler.command_line import SHOP, House

RULES = """
[stock]
cap = 40
shared_by = "priority"
last_codes = 2

[[stock.rules]]
match = { tags = ["steam"] }
share = 0.8
buffer = { percent = 10 }

[[stock.rules]]
name = "big cards"
match = { face_value_from = 100, currency = "EUR" }
tiers = ["vault"]
"""
SHOP_STOCK = """
[channels.shop.stock]
floor = 2
tier = "counter"

[[channels.shop.listings]]
ref = "77"
stock = { cap = 3, allotment = "none", buffer = { chance = 0.001, lag_seconds = 5 } }

[channels.vault]
connector = "woocommerce"
currency = "EUR"
enabled = false
"""


def written(folder: Path, text: str) -> Settings:
    path = folder / "consignd.toml"
    path.write_text(text)
    return Settings.load(path, {})


def refusals(folder: Path, text: str) -> list[str]:
    with pytest.raises(SettingsRefused) as refused:
        written(folder, text)
    return [str(problem).split("consignd.toml")[-1] for problem in refused.value.problems]


def test_what_is_written_becomes_the_rules_that_core_decides_by(tmp_path: Path) -> None:
    settings = written(tmp_path, SHOP + RULES + SHOP_STOCK)
    policy = stock_policy(settings.stock)
    first, second = policy.by_sku
    assert policy.everywhere.cap == 40
    assert (policy.everywhere.shared_by, policy.everywhere.last_codes) == (SharedBy.PRIORITY, 2)
    assert (first.rule.share_ppm, first.rule.buffer, first.rule.label) == (
        800_000,
        PartBuffer(100_000),
        "tag steam",
    )
    assert (second.rule.label, second.rule.tiers) == ("big cards", frozenset({"vault"}))
    assert (channel_tier(settings, "shop"), channel_tier(settings, "vault")) == ("counter", "vault")
    assert channel_stock(settings, "shop").floor == 2
    (own,) = listing_stock(settings, "shop").values()
    assert (own.cap, own.allotment, own.buffer) == (3, Lifted.LIFTED, RiskBuffer(0.001, 5))
    assert own.source("cap") == "channels.shop.listings.77.stock.cap"


def test_nothing_written_is_a_policy_that_promises_no_code_twice(tmp_path: Path) -> None:
    policy = stock_policy(written(tmp_path, SHOP).stock)
    assert policy.largest_bound_permille == StockPolicy().largest_bound_permille == 1000


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[stock]\nbuffer = "5 %"', ":2: stock.buffer.codes: wrong type: write a whole number"),
        ("[stock]\nbuffer = true", ":2: stock.buffer: wrong type: write a number of codes, { percent = 5 }"),
        (
            "[stock]\nbuffer = { percent = 5, chance = 0.1 }",
            ":2: stock.buffer: write one of codes",
        ),
        ("[stock]\nbuffer = { chance = 0 }", ":2: stock.buffer.chance: write a number greater than or equal"),
        (
            "[stock]\nbuffer = { percent = 5, lag_seconds = 3 }",
            ":2: stock.buffer: lag_seconds goes with",
        ),
        ("[stock]\nbuffer = { chanse = 0.1 }", ":2: stock.buffer.chanse: unknown key; did you mean chance?"),
        ('[stock]\ncap = "some"', ':2: stock.cap: wrong type: write a whole number, or "none"'),
        ("[stock]\nfloor = 5\ncap = 4", ":1: stock: floor is above cap"),
        ('[stock]\nshared_by = "luck"', ':2: stock.shared_by: write "proportion", "priority" or "sales"'),
        ("[[stock.rules]]\ncap = 4", ":1: stock.rules[0].match: missing: write match"),
        ("[[stock.rules]]\nmatch = {}", ":2: stock.rules[0].match: no SKU is said"),
        ("[[stock.rules]]\nmatch = { face_value_from = 5 }", ":2: stock.rules[0].match: face values and"),
        (
            '[[stock.rules]]\nmatch = { brand = "x" }\ntiers = ["shop", "moon"]',
            ":3: stock.rules[0].tiers[1]: no channel is of tier moon",
        ),
        (
            '[[channels.shop.listings]]\nref = "7"\n[[channels.shop.listings]]\nref = "7"',
            "channels.shop: 2 tables are for listing 7: join them",
        ),
        (
            '[[channels.shop.listings]]\nref = "7"\nstock = { bound = 2 }',
            "channels.shop.listings[0].stock.bound: unknown key",
        ),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused_in_its_place(tmp_path: Path, text: str, said: str) -> None:
    (found,) = refusals(tmp_path, text + "\n" + SHOP)
    assert said in found


def test_a_face_value_finer_than_its_currency_is_refused(tmp_path: Path) -> None:
    text = '[[stock.rules]]\nmatch = { face_value_from = 0.5, currency = "JPY" }\n'
    with pytest.raises(OptionsRefused, match=r"stock\.rules\[0\]\.match: .*JPY"):
        stock_policy(written(tmp_path, text + SHOP).stock)


def test_explain_names_the_rule_of_every_number_and_ends_at_the_quantity(house: House) -> None:
    config = house.file("shop.toml", SHOP + RULES + SHOP_STOCK)
    codes = house.file("codes.txt", "".join(f"CODE-{n:04}\n" for n in range(50)))
    prices = ("--face-value", "20", "--base-price", "18", "--currency", "EUR")
    house.json("stock", "add", "CARD-20", "--tag", "steam", *prices)
    house.json("import", codes, "--sku", "CARD-20", "--consignor", "Kaart")
    for listing in ("77", "78"):
        house.json("--config", config, "stock", "link", "shop", listing, "CARD-20")
    explained = house.json("--config", config, "stock", "explain", "CARD-20")
    assert (explained["tags"], explained["available"]) == (["steam"], 50)
    assert {"name": "shared_by", "value": "priority", "source": "stock.shared_by"} in explained["rules"]
    first, second = explained["listings"]
    rules = {rule["name"]: (rule["value"], rule["source"]) for rule in first["rules"]}
    assert rules["cap"] == ("3", "channels.shop.listings.77.stock.cap")
    assert rules["share"] == ("80 %", "stock.share [tag steam]")
    assert rules["floor"] == ("2", "channels.shop.stock.floor")
    assert [(step["rule"], step["quantity"]) for step in first["steps"]] == [
        ("sellable", 50),
        ("share", 40),
        ("cap", 3),
    ]
    assert [(step["rule"], step["quantity"], step["source"]) for step in second["steps"]][1:] == [
        ("share", 40, "stock.share [tag steam]"),
        ("buffer", 35, "stock.buffer [tag steam]"),
    ]
    assert (first["wanted_quantity"], second["wanted_quantity"]) == (3, 35)
    told = house.run("--config", config, "stock", "explain", "CARD-20").stdout
    assert "channels.shop.listings.77.stock.cap" in told
    assert "80 % of 50" in told


def test_tags_are_given_and_taken_and_decide_which_rules_hold(house: House) -> None:
    config = house.file("shop.toml", SHOP + RULES + SHOP_STOCK)
    codes = house.file("codes.txt", "".join(f"CODE-{n:04}\n" for n in range(50)))
    house.json("stock", "add", "CARD-20", "--base-price", "18", "--currency", "EUR")
    house.json("import", codes, "--sku", "CARD-20", "--consignor", "Kaart")
    house.json("--config", config, "stock", "link", "shop", "78", "CARD-20")

    def wanted() -> int:
        (listing,) = house.json("--config", config, "stock", "explain", "CARD-20")["listings"]
        return int(listing["wanted_quantity"])

    assert wanted() == 40
    assert house.json("stock", "tag", "CARD-20", "+steam", "+eu") == {
        "sku_ref": "CARD-20",
        "tags": ["eu", "steam"],
    }
    assert wanted() == 35
    assert house.json("stock", "tag", "CARD-20", "-steam", "-never")["tags"] == ["eu"]
    assert wanted() == 40
    for wrong in ("steam", "+", "+two words", "+-x"):
        assert house.run("stock", "tag", "CARD-20", wrong).exit_code == Exit.USAGE
    assert house.run("stock", "tag", "CARD-20", "+a", "-a").exit_code == Exit.USAGE
    assert house.run("stock", "tag", "CARD-20", *(f"+t{n}" for n in range(70))).exit_code == Exit.USAGE
    assert house.run("stock", "tag", "NO-CARD", "+a").exit_code == Exit.USAGE
    assert house.run("stock", "explain", "NO-CARD").exit_code == Exit.USAGE


def test_a_card_of_another_tier_is_not_shown_and_explain_says_where_it_is(house: House) -> None:
    config = house.file("shop.toml", SHOP + RULES + SHOP_STOCK)
    codes = house.file("codes.txt", "CODE-0001\nCODE-0002\n")
    house.json(
        "stock", "add", "CARD-100", "--face-value", "100", "--base-price", "90", "--currency", "EUR"
    )  # fmt: skip
    house.json("import", codes, "--sku", "CARD-100", "--consignor", "Kaart")
    house.json("--config", config, "stock", "link", "shop", "79", "CARD-100")
    (listing,) = house.json("--config", config, "stock", "explain", "CARD-100")["listings"]
    assert (listing["wanted_quantity"], listing["steps"][-1]["why"]) == (0, "it is shown on vault only")
    assert listing["steps"][-1]["source"] == "stock.tiers [big cards]"
