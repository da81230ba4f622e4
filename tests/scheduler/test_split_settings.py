"""Plans of the settings may stand in files, and be chosen for some sales; what is wrong is told by line."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from config.problems import SettingsRefused
from config.settings import Settings
from core.errors import SaleUnsplit
from core.money.plans.choice import PlanChoice, choose
from core.money.plans.rules import CONSIGNOR, Plan, Rule
from scheduler.split_plans import plan_choices, written_plan

NOW = datetime(2026, 5, 6, 12, tzinfo=UTC)
REST = (Rule("rest", CONSIGNOR, rest=True),)
SOUND = """name = "any"

[[rules]]
name = "fee"
party = "channel"
rate_percent = "12"

[[rules]]
name = "rest"
party = "consignor"
rest = true
"""
SHOP = """
[channels.shop]
connector = "eneba"
currency = "EUR"

[splits.default]
file = "plans/cards.toml"

[splits.games]
rules = [{ party = "consignor", rest = true }]

[[split_choices]]
split = "games"
tags = ["game"]
"""


def settings(folder: Path, text: str = SHOP, plan: str = SOUND) -> Settings:
    (folder / "plans").mkdir(exist_ok=True)
    (folder / "plans" / "cards.toml").write_text(plan)
    path = folder / "consignd.toml"
    path.write_text(text)
    return Settings.load(path, {})


def test_a_plan_of_a_file_is_known_by_its_name_in_the_settings(tmp_path: Path) -> None:
    plan = written_plan(settings(tmp_path), "default", {})
    assert (plan.name, [rule.rate_ppm for rule in plan.rules]) == ("default", [120_000, 0])


def test_choices_say_where_they_are_written(tmp_path: Path) -> None:
    (choice,) = plan_choices(settings(tmp_path), "shop", {})
    assert (choice.plan.name, choice.tags) == ("games", ("game",))
    assert choice.origin.endswith("consignd.toml:13")


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (SOUND.replace('party = "channel"', 'party = "chanel"'), "cards.toml:5"),
        (SOUND.replace("rest = true", 'rate_percent = "1"'), "cards.toml"),
        (SOUND.replace('party = "channel"', 'party = "referrer-3"'), "pyramid"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_by_file_and_line(tmp_path: Path, plan: str, said: str) -> None:
    with pytest.raises(SettingsRefused, match=said):
        written_plan(settings(tmp_path, plan=plan), "default", {})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            SHOP.replace('split = "games"', 'split = "toys"'),
            r"consignd.toml:13: .*no split plan is named toys",
        ),
        (SHOP.replace('tags = ["game"]', ""), "it says of no sale"),
        (SHOP.replace('tags = ["game"]', 'channels = ["shoop"]'), "no channel is named shoop"),
        (SHOP.replace("plans/cards.toml", "plans/none.toml"), "none.toml"),
        (
            SHOP.replace(
                'file = "plans/cards.toml"',
                'file = "plans/cards.toml"\nrules = [{ party = "consignor", rest = true }]',
            ),
            "more than one",
        ),
    ],
)
def test_choices_and_files_that_make_no_sense_are_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsRefused, match=said):
        settings(tmp_path, text)


def test_the_first_choice_that_fits_is_taken_and_dates_are_kept_to() -> None:
    summer = Plan("summer", REST, starts_at=datetime(2026, 6, 1, tzinfo=UTC))
    others = Plan("others", REST)
    choices = [
        PlanChoice(1, summer, "a", tags=("game",)),
        PlanChoice(2, others, "b", tags=("game",), consignors=("Ada", "Bo")),
    ]
    own = PlanChoice(3, Plan("own", REST), "own")
    assert choose(choices, own, {"game"}, ("Ada",), NOW).plan_id == 2
    assert choose(choices, own, {"game"}, ("Ada", "Cy"), NOW).plan_id == 3
    assert choose(choices, own, {"game"}, (), NOW).plan_id == 3
    assert choose(choices, own, {"game"}, (), datetime(2026, 6, 1, tzinfo=UTC)).plan_id == 1
    with pytest.raises(SaleUnsplit, match="summer is not in force"):
        choose([], PlanChoice(1, summer, "a"), (), (), NOW)
