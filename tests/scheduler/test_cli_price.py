"""Proves the commands that explain a price and try other rules, and the settings of prices, on a database."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.problems import SettingsRefused
from config.settings import Settings
from scheduler.cli.exits import Exit
from tests.scheduler.command_line import SHOP, House, sell_one

RULES = """
[price]
markup_percent = 10
floor_margin_percent = 5
rounding_minor = 100
ending_minor = 99
windows = [
    { name = "christmas", from_at = 2030-12-24T18:00:00Z, until = 2030-12-25T18:00:00Z, price = "19.00", \
currency = "EUR", quota = 3 },
]

[[price.rules]]
name = "cheap cards"
match = { kind = "gift card" }
target = { cost_plus_percent = 50 }
until = 2030-01-01T00:00:00Z
"""


def house_with(house: House, rules: str, base: str | None = "12.00") -> str:
    """A shop with one listing at 77 that has sold one of three codes; the file that configures it."""
    sell_one(house)
    config = house.file("priced.toml", SHOP + rules)
    if base is not None:
        assert house.run("--config", config, "stock", "price", "CARD-20", base, "EUR").exit_code == 0
    return config


def test_a_price_is_explained_step_by_step_with_the_rule_of_each(house: House) -> None:
    config = house_with(house, RULES)
    (price,) = house.json("--config", config, "price", "explain", "77")["prices"]
    # 13.50 are to reach us: 12 % and 0.25 of 15.62 leave it; 15.99 is the next ending.
    assert [(step["name"], step["amount_minor"]) for step in price["steps"]] == [
        ("target", 1350),
        ("commission", 1562),
        ("floor", 1562),
        ("rounding", 1599),
    ]
    assert price["steps"][0]["given"] == "price.target [cheap cards]"
    assert price["steps"][2]["given"] == "price.floor"
    assert (price["state"], price["shown_minor"], price["published_minor"]) == ("priced", 1599, None)
    told = house.run("--config", config, "price", "explain", "77")
    assert "shop 77 (CARD-20): 15.99 EUR" in told.output
    assert "christmas" in told.output


def test_a_window_is_seen_before_it_opens(house: House) -> None:
    config = house_with(house, RULES)
    explain = ("--config", config, "price", "explain", "77")
    (during,) = house.json(*explain, "--at", "2030-12-24T20:00Z")["prices"]
    (after,) = house.json(*explain, "--at", "2030-12-25T20:00Z")["prices"]
    assert during["shown_minor"] == 1900
    assert during["windows"][0]["quota"] == 3
    # The rule for cheap cards has ended by then: base price and mark-up hold again.
    assert [step["name"] for step in after["steps"]] == ["base", "markup", "commission", "floor", "rounding"]
    assert house.run(*explain, "--at", "tomorrow").exit_code == Exit.USAGE
    assert house.run("--config", config, "price", "explain", "78").exit_code == Exit.USAGE


def test_a_draft_is_shown_beside_the_rules_in_force(house: House) -> None:
    config = house_with(house, RULES)
    draft = house.file(
        "draft.toml",
        '[[channels.shop.listings]]\nref = "77"\n'
        'price = { target = { fixed = "20.00", currency = "EUR" } }\n',
    )
    simulate = ("--config", config, "price", "simulate", "--policy", draft)
    (row,) = house.json(*simulate)["prices"]
    assert (row["differs"], row["old"]["shown_minor"], row["new"]["shown_minor"]) == (True, 1599, 2000)
    assert row["new"]["steps"][0]["given"] == "channels.shop.listings.77.price.target"
    told = house.run(*simulate, "--sku", "CARD-20").output
    assert "1 of 1 prices would differ" in told
    assert "a fixed price of 20.00 EUR" in told
    # Nothing was written by it.
    (price,) = house.json("--config", config, "price", "explain", "77")["prices"]
    assert price["shown_minor"] == 1599


def test_a_draft_with_a_mistake_names_file_and_line(house: House) -> None:
    config = house_with(house, "")
    draft = house.file("draft.toml", "[price]\nmarkup_percent = 5\nmarkupp = 3\n[channels.nowhere]\n")
    result = house.run("--config", config, "price", "simulate", "--policy", draft)
    assert result.exit_code == Exit.SETTINGS
    assert "draft.toml:3: price.markupp: unknown key; did you mean markup_percent?" in result.output


def test_a_cost_without_a_rate_gives_no_price_and_says_which(house: House) -> None:
    config = house_with(house, '[price.target]\nfixed = "20.00"\ncurrency = "USD"\n', base=None)
    (price,) = house.json("--config", config, "price", "explain", "77")["prices"]
    assert (price["state"], price["shown_minor"]) == ("no_rate", None)
    assert price["why"] == "there is no rate from USD to EUR for 20.00 USD: set one"


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        (
            "[price.target]\nfixed = 5\nnet = 5\n",
            "price.target: write one of fixed, net and cost_plus_percent",
        ),
        ("[price.target]\nfixed = 5\n", "price.target: an amount and its currency go together"),
        ("[price.brake]\n", "price.brake: write step_percent or day_percent"),
        (
            "[price.pressure]\nstock = [{ change_percent = 3 }]\n",
            "price.pressure.stock[0]: write either below_percent or above_percent",
        ),
        (
            "[price.demand]\nfrom_at = 2026-02-01T00:00:00Z\nuntil = 2026-01-01T00:00:00Z\n",
            "price.demand: it ends before it begins",
        ),
        ("[price.rival]\nplace = 2\n", 'price.rival: place goes with follow = "stay" only'),
        ('[price]\nwithout = ["rival"]\n[price.rival]\n', "price: rival is written and left out"),
        ("[[price.rules]]\nmatch = {}\n", "price.rules[0].match: no SKU is said"),
        ("[price]\nrounding_minor = 10\nending_minor = 10\n", "price: ending_minor must be below"),
    ],
)
def test_rules_that_contradict_themselves_are_refused_at_their_line(
    tmp_path: Path, rules: str, problem: str
) -> None:
    file = tmp_path / "consignd.toml"
    file.write_text(rules)
    with pytest.raises(SettingsRefused) as refused:
        Settings.load(file, {})
    assert "consignd.toml:" in str(refused.value)
    assert problem in str(refused.value)
