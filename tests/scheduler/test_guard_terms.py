"""How drift and guard settings become rules: the channel's own words, and the rest from everywhere."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from config.problems import SettingsRefused
from config.settings import Settings
from connectors.eneba.connector import Eneba
from connectors.kinguin.connector import Kinguin
from core.offers.drift.judging import Kind, Policy, What
from scheduler.guard_terms import drift_rule, guard_rule

FILE = """
[splits.default]
rules = [{ party = "consignor", rest = true }]

[drift]
price = "ask"
fight_hours = 2

[guard]
spare_failures = 1

[channels.one]
connector = "eneba"
currency = "EUR"

[channels.one.drift]
quantity = "adopt"
unknown = "ask"

[channels.one.guard]
margin_percent = 20

[channels.two]
connector = "kinguin"
currency = "EUR"

[channels.two.guard]
on = false
"""


def read(folder: Path, text: str = FILE) -> Settings:
    file = folder / "consignd.toml"
    file.write_text(text)
    return Settings.load(file, {"CONSIGND_DATA_DIR": str(folder)})


def test_a_channel_says_what_it_wants_otherwise(tmp_path: Path) -> None:
    settings = read(tmp_path)
    one, two = drift_rule(settings, "one", Eneba.traits), drift_rule(settings, "two", Kinguin.traits)
    assert one.policy(What.QUANTITY, Kind.EDITED) is Policy.ADOPT
    assert two.policy(What.QUANTITY, Kind.EDITED) is Policy.REPAIR
    assert one.policy(What.PRICE, Kind.EDITED) is two.policy(What.PRICE, Kind.EDITED) is Policy.ASK
    assert one.policy(What.LISTING, Kind.UNKNOWN) is Policy.ASK
    assert one.policy(What.PRICE, Kind.LOST) is Policy.REPAIR
    assert one.fight_span == two.fight_span == timedelta(hours=2)


def test_the_lines_are_the_connectors_and_the_distance_is_the_operators(tmp_path: Path) -> None:
    settings = read(tmp_path)
    guard = guard_rule(settings, "one", Eneba.traits)
    assert len(guard.lines) == 3
    assert (guard.margin, guard.spare_failures) == (0.2, 1)
    assert guard_rule(settings, "two", Eneba.traits).lines == ()


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('[drift]\nprice = "fight"', "drift.price"),
        ('[drift]\nlost = "adopt"', "drift.lost"),
        ("[guard]\nmargin_percent = 50", "guard.margin_percent"),
        ("[guard]\nmargins = 5", "guard.margins"),
        ("[drift]\nfight_after = 0", "drift.fight_after"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_line(tmp_path: Path, line: str, complaint: str) -> None:
    with pytest.raises(SettingsRefused) as refused:
        read(tmp_path, line + "\n")
    assert complaint in str(refused.value)
    assert "consignd.toml:2" in str(refused.value)
