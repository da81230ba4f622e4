"""A split plan's file is refused by line and rule, with what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.plans import read_plan
from config.problems import SettingsRefused
from core.money.plans.rules import Moment, Per, Short, TierBy
from core.money.plans.stored import plan_from_json, plan_to_json
from scheduler.split_plans import plan_of

HEAD = 'name = "draft"\ncurrency = "EUR"\n'
REST = '[[rules]]\nname = "rest"\nparty = "consignor"\nrest = true\n'
# The first rule's own keys begin on line 6.
RULE = HEAD + '[[rules]]\nname = "fee"\nparty = "operator"\n{}\n' + REST


def refused(folder: Path, text: str) -> str:
    path = folder / "draft.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsRefused) as caught:
        plan_of(read_plan(path))
    return str(caught.value).replace(str(folder) + "/", "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ('rate_percent = "-1"', "draft.toml:6: rules[0].rate_percent (rule fee): write a number greater"),
        ('rate_percent = "101"', "draft.toml:6: rules[0].rate_percent (rule fee): write a number less"),
        ('rate_percent = "1.00001"', "draft.toml:6: rules[0].rate_percent (rule fee): too fine"),
        (
            "rate_percents = 5",
            "draft.toml:6: rules[0].rate_percents (rule fee): unknown key; did you mean rate_percent?",
        ),
        ('base = "profit"', "draft.toml:6: rules[0].base (rule fee): write "),
        ('fixed = "0.005"', "draft.toml:3: rules[0] (fee): amount '0.005': EUR has 2 decimals"),
        ("when = { starts_at = 2026-11-20T00:00:00 }", "draft.toml:6: rules[0].when.starts_at (rule fee): "),
        ("when = { order = 1 }", "draft.toml:6: rules[0].when.order (rule fee): unknown key; did you mean"),
        (
            'tiers = { by = "units", mode = "whole", steps = [{ start = 1.5, rate_percent = 1 }] }',
            "draft.toml:3: rules[0] (fee): a tier of units begins at 1.5: write a whole number",
        ),
        ('tiers = { by = "units", steps = [] }', "draft.toml:6: rules[0].tiers.mode (rule fee): missing"),
        ('lapse = { days = 5, to = "nobody" }', "draft.toml:6: rules[0].lapse.to (rule fee): not a party"),
    ],
)
def test_what_is_wrong_is_placed(tmp_path: Path, words: str, said: str) -> None:
    assert refused(tmp_path, RULE.format(words)).startswith(said)


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    told = refused(tmp_path, RULE.format('base = "profit"\nrate = 5\nrest = 5')).splitlines()
    assert [line.split(":")[1] for line in told] == ["6", "7", "8"]


def test_amounts_without_a_currency_are_refused(tmp_path: Path) -> None:
    text = RULE.format('fixed = "1"').replace('currency = "EUR"\n', "")
    assert "the plan has no currency" in refused(tmp_path, text)


def test_a_party_that_is_none_is_refused(tmp_path: Path) -> None:
    text = HEAD + '[[rules]]\nname = "fee"\nparty = "friend"\n' + REST
    assert refused(tmp_path, text).startswith("draft.toml:5: rules[0].party (rule fee): not a party: write")


def test_no_toml_is_refused_by_line(tmp_path: Path) -> None:
    assert refused(tmp_path, 'name = "draft"\nrules = [').startswith("draft.toml:2: not TOML")


def test_every_word_of_a_file_arrives(tmp_path: Path) -> None:
    path = tmp_path / "draft.toml"
    words = """base = "after_channel"
tiers = { by = "turnover", mode = "marginal", per = "quarter", steps = [
    { start = "1.50", rate_percent = "2.5" },
] }
minimum = "0.10"
maximum = "9"
cap = { amount = "100", per = "day" }
scope = "line"
when = { channels = ["shop"], orders_from = 2, starts_at = 2026-11-20T00:00:00+08:00, referrer = 1 }
vest = { at = "hold", hold_days = 3, parts = 2, every_days = 7 }
lapse = { days = 90, to = "party:fund" }
on_refund = "kept"
when_short = "less"
"""
    path.write_text(RULE.format(words), encoding="utf-8")
    plan = plan_of(read_plan(path))
    rule = plan.rules[0]
    assert rule.tiers is not None
    assert rule.cap is not None
    assert rule.lapse is not None
    assert (rule.tiers.by, rule.tiers.per, rule.tiers.steps[0].start) == (TierBy.TURNOVER, Per.QUARTER, 150)
    assert (rule.tiers.steps[0].rate_ppm, rule.minimum_minor, rule.maximum_minor) == (25_000, 10, 900)
    assert (rule.cap.amount_minor, rule.vest.at, rule.vest.parts) == (10_000, Moment.HOLD, 2)
    assert (str(rule.lapse.to), rule.when_short, rule.when.orders_from) == ("party:fund", Short.LESS, 2)
    assert plan_from_json(plan.name, plan.version, plan_to_json(plan)) == plan
