"""`splits explain`, `simulate`, `owed`, `refund` and `redeem` on a real sale, on a database."""

from __future__ import annotations

from scheduler.cli.exits import Exit
from tests.scheduler.command_line import House, sell_one

DRAFT = """name = "draft"
currency = "EUR"

[[rules]]
name = "fee"
party = "channel"
rate_percent = "50"

[[rules]]
name = "rest"
party = "consignor"
rest = true
"""


def test_a_sale_is_explained_rule_by_rule_and_held_against_another_plan(house: House) -> None:
    order_id = sell_one(house)
    told = house.json("splits", "explain", str(order_id))
    (line,) = told["lines"]
    assert line["agrees"] is True
    assert sum(step["amount_minor"] for step in line["steps"]) == line["gross_minor"]
    assert line["steps"][-1]["to_minor"] == 0
    shown = house.run("splits", "explain", str(order_id))
    assert "the entries say the same" in shown.stdout
    path = house.file("draft.toml", DRAFT)
    found = house.json("splits", "simulate", path, "--since", "2020-01-01")
    assert (found["lines"], found["unsplit"]) == (1, 0)
    assert sum(row["old_minor"] for row in found["parties"]) == line["gross_minor"]
    (channel,) = [row for row in found["parties"] if row["party"] == "channel"]
    assert channel["new_minor"] * 2 == line["gross_minor"]
    assert (
        "1 sold lines since 2020-01-01"
        in house.run("splits", "simulate", path, "--since", "2020-01-01").stdout
    )
    assert house.json("splits", "owed") == {"owed": []}


def test_parts_of_a_sale_are_refunded_once_each_and_kept_with_their_reason(house: House) -> None:
    order_id = str(sell_one(house))
    back = house.json("splits", "refund", order_id, "1", "--amount", "1.00", "--reason", "late")
    assert sum(entry["amount_minor"] for entry in back["entries"]) == 0
    (line,) = house.json("splits", "explain", order_id)["lines"]
    assert (line["refunded_minor"], line["agrees"]) == (100, True)
    neither = house.run("splits", "refund", order_id, "1", "--reason", "late")
    assert neither.exit_code == Exit.USAGE
    too_much = house.run("splits", "refund", order_id, "1", "--amount", "900000", "--reason", "late")
    assert too_much.exit_code == Exit.USAGE
    assert "cannot be refunded" in too_much.stderr
    assert house.json("splits", "redeem", order_id, "1", "5.00") == {"entries": []}
    assert house.json("check")["ok"] is True
