"""`splits lint` and `splits try` look at plans without a database and without settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import Result

import config
from tests.scheduler.command_line import invoke

EXAMPLES = Path(config.__file__).parent / "examples" / "plans"
PYRAMID = """name = "pyramid"

[[rules]]
name = "first"
party = "referrer-1"
rate_percent = "10"

[[rules]]
name = "third"
party = "referrer-3"
rate_percent = "1"

[[rules]]
name = "rest"
party = "consignor"
rest = true
"""


def run(*arguments: str) -> Result:
    return invoke("splits", *arguments, environ={})


def told(*arguments: str) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_examples_have_nothing_wrong() -> None:
    files = sorted(str(path) for path in EXAMPLES.glob("*.toml"))
    result = run("lint", *files)
    assert result.exit_code == 0
    assert result.stdout.startswith("nothing is wrong with ")
    linted = told("lint", *files)
    assert (len(linted["plans"]), linted["problems"]) == (len(files), [])


def test_a_third_level_of_referral_is_refused_by_line_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "pyramid.toml"
    path.write_text(PYRAMID, encoding="utf-8")
    result = run("lint", str(path))
    assert result.exit_code == 3
    assert f"{path}:8: rules[1] (third): a third level of referral is refused" in result.stderr
    assert "禁止传销条例" in result.stderr
    found = json.loads(run("lint", str(path), "--json").stdout)
    assert not found["ok"]
    assert [problem["line"] for problem in found["problems"]] == [8]


def test_a_file_that_is_no_plan_is_refused_beside_one_that_is(tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_text('name = "broken"\nrules = 5\n', encoding="utf-8")
    result = run("lint", str(EXAMPLES / "gamivo.toml"), str(path))
    assert result.exit_code == 3
    assert f"{path}:2: rules: wrong type: write an array" in result.stderr


def test_trying_a_plan_shows_the_waterfall_and_its_entries() -> None:
    arguments = (str(EXAMPLES / "gamivo.toml"), "--amount", "19.99", "--currency", "EUR")
    shown = run("try", *arguments).stdout
    assert "8 % of 19.99 EUR + 0.40 EUR = 2.00 EUR" in shown
    assert "does not apply: tag is none, not software" in shown
    found = told("try", *arguments, "--quantity", "3")
    waterfall = found["waterfall"]
    assert (waterfall["start_minor"], waterfall["quantity"]) == (5_997, 3)
    assert [step["to_minor"] for step in waterfall["steps"]] == [5_997, 5_997, 5_997, 5_397, 5_127, 0]
    assert sum(entry["amount_minor"] for entry in found["entries"]) == 0
    assert found["problems"] == []


def test_every_fact_can_be_given() -> None:
    found = told(
        *("try", str(EXAMPLES / "rebates.toml"), "--amount", "60", "--currency", "EUR", "--quantity", "2"),
        *("--buyer", "b-1", "--order-no", "5", "--at", "2026-11-21", "--tag", "card", "--cost", "30"),
    )
    taken = {step["rule"]: step["amount_minor"] for step in found["waterfall"]["steps"]}
    assert (taken["loyalty"], taken["november"], taken["rest"]) == (1_440, 1_200, 7_128)
    turned = told(
        *("try", str(EXAMPLES / "kinguin.toml"), "--amount", "20", "--currency", "EUR", "--turnover", "50000")
    )
    assert turned["waterfall"]["steps"][0]["amount_minor"] == 140


def test_a_price_that_the_plan_cannot_split_is_refused_by_rule() -> None:
    result = run("try", str(EXAMPLES / "consignor-fixed.toml"), "--amount", "10", "--currency", "EUR")
    assert result.exit_code == 2
    assert "rule 2 (price-of-the-code): of a price of 10.00 EUR" in result.stderr
    wrong = run("try", str(EXAMPLES / "consignor-fixed.toml"), "--amount", "10", "--currency", "USD")
    assert "its amounts are in EUR, the sale is in USD" in wrong.stderr
