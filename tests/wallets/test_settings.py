"""What operators write of points becomes programmes, and what is wrong is said by line."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction
from pathlib import Path

import pytest

from config.problems import SettingsRefused
from config.settings import Settings
from connectors.kit.errors import OptionsRefused
from core.wallets.programmes import BASE_LEVEL, Level, Measure, Task
from scheduler.points_terms import programmes

HEAD = '[points.stars]\ncurrency = "EUR"\n'


def load(folder: Path, text: str) -> Settings:
    path = folder / "consignd.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return Settings.load(path, {"HOME": str(folder)})


def test_a_programme_is_read_exactly(tmp_path: Path) -> None:
    text = HEAD + (
        'per_unit = "1.5"\nvalue = "1/3"\nexpires_days = 90\nsmallest_redemption = 50\n'
        'levels_by = "turnover"\n'
        'levels = [{ name = "base", percent = 100 }, { name = "gold", start = 99.5, percent = 112.5 }]\n'
        "[points.stars.tasks]\nreview = { points = 20, per_day = 3 }\n"
    )
    stars = programmes(load(tmp_path, text))["stars"]
    assert (stars.per_unit, stars.value) == (Fraction(3, 2), Fraction(1, 3))
    assert (stars.expires_after, stars.smallest_redemption) == (timedelta(days=90), 50)
    assert stars.measure is Measure.TURNOVER
    assert stars.levels == (Level("base", 0, Fraction(100)), Level("gold", 9950, Fraction(225, 2)))
    assert stars.tasks == {"review": Task("review", 20, 3)}


def test_little_is_enough(tmp_path: Path) -> None:
    stars = programmes(load(tmp_path, HEAD + "value = 2\n"))["stars"]
    assert (stars.per_unit, stars.value, stars.expires_after) == (Fraction(1), Fraction(2), None)
    assert stars.levels == (BASE_LEVEL,)
    assert programmes(load(tmp_path, HEAD + "value = 0.1\n"))["stars"].value == Fraction(1, 10)
    assert programmes(load(tmp_path, "")) == {}


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", "points.stars.value"),
        ("value = 0.0\n", "zero, or longer"),
        ('value = "half"\n', 'write "2", "0.5" or "1/3"'),
        ('value = "1/0"\n', 'write "2", "0.5" or "1/3"'),
        ('value = "-1"\n', "zero, or longer"),
        ('value = "1/12345678901"\n', "longer than 9 digits"),
        ("value = true\n", "points.stars.value"),
        ("value = 1\nexpires_days = 0\n", "expires_days"),
        ("value = 1\nexpires = 9\n", "points.stars.expires"),
        ("value = 1\nsmallest_redemption = 0\n", "smallest_redemption"),
        ("value = 1\ntasks.review = { points = 0 }\n", "points.stars.tasks.review.points"),
        ('value = 1\nlevels = [{ name = "a", start = 5, percent = 100 }]\n', "first level starts at 0"),
        (
            'value = 1\nlevels = [{ name = "a", percent = 1 }, { name = "b", percent = 2 }]\n',
            "above the one before it",
        ),
        (
            'value = 1\nlevels = [{ name = "a", percent = 1 }, { name = "b", start = 1.5, percent = 2 }]\n',
            "points are whole",
        ),
        (
            'value = 1\nlevels = [{ name = "a", percent = 1 }, { name = "a", start = 2, percent = 2 }]\n',
            "same name",
        ),
    ],
)
def test_what_is_wrong_is_said_by_line(tmp_path: Path, written: str, said: str) -> None:
    with pytest.raises(SettingsRefused) as refused:
        load(tmp_path, HEAD + written)
    assert said in str(refused.value)
    assert "consignd.toml:" in str(refused.value)


def test_a_level_finer_than_the_currency_is_refused(tmp_path: Path) -> None:
    text = HEAD.replace("EUR", "JPY") + (
        'value = 1\nlevels_by = "turnover"\n'
        'levels = [{ name = "a", percent = 1 }, { name = "b", start = 1.5, percent = 2 }]\n'
    )
    with pytest.raises(OptionsRefused, match=r"points\.stars\.levels: b: .*JPY has 0 decimals"):
        programmes(load(tmp_path, text))
