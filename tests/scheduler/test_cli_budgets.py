"""`consignd budgets` shows what sales set aside and books what is spent of it."""

from __future__ import annotations

from tests.scheduler.command_line import SHOP, House, sell_one

PLAN = """name = "ads"

[[rules]]
name = "traffic"
party = "budget:traffic"
rate_percent = "5"

[[rules]]
name = "rest"
party = "consignor"
rest = true
"""
REASON = ("--reason", "ads in May")


def with_budget(house: House) -> tuple[str, str]:
    """A shop whose one sale of 20.00 has set 1.00 aside."""
    house.file("ads.toml", PLAN)
    start, end = SHOP.index("[splits.default]"), SHOP.index("[channels.shop]")
    text = SHOP[:start] + '[splits.default]\nfile = "ads.toml"\n\n' + SHOP[end:]
    sell_one(house, shop=text)
    return "--config", str(house.folder / "shop.toml")


def test_a_budget_is_shown_spent_and_given_back(house: House) -> None:
    config = with_budget(house)
    assert house.json(*config, "budgets")["budgets"] == [
        {
            "budget": "traffic",
            "currency": "EUR",
            "set_aside_minor": 100,
            "spent_minor": 0,
            "released_minor": 0,
            "left_minor": 100,
            "beyond_minor": 0,
        }
    ]
    spend = (*config, "budgets", "spend", "traffic", "0.60", "--currency", "EUR", "--ref", "inv-1", *REASON)
    told = house.json(*spend)
    assert told["covered"]["amount_minor"] == 60
    assert house.json(*spend) == told
    back = (*config, "budgets", "release", "traffic", "0.50", "--currency", "EUR", "--ref", "may", *REASON)
    refused = house.run(*back)
    assert (refused.exit_code != 0, "holds 0.40 EUR" in refused.stderr) == (True, True)
    shown = house.run(*config, "budgets").stdout
    assert "traffic" in shown
    assert "0.60 EUR" in shown
    (use,) = house.json(*config, "budgets", "show", "traffic")["uses"]
    assert (use["ref"], use["kind"], use["channel"], use["reason"]) == ("inv-1", "spent", None, "ads in May")
    assert "inv-1" in house.run(*config, "budgets", "show", "traffic").stdout
    assert house.json(*config, "check")["ok"] is True
