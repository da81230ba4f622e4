"""What operators write about statements becomes the terms that lines are matched by."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from config.problems import SettingsRefused
from config.settings import Settings
from core.types import ChannelId
from scheduler.statement_terms import match_terms

CHANNEL = '[channels.shop]\nconnector = "woocommerce"\ncurrency = "EUR"\n'
PLAN = '[splits.default]\nrules = [{ party = "consignor", rest = true }]\n'


def load(folder: Path, text: str) -> Settings:
    path = folder / "consignd.toml"
    path.write_text(PLAN + CHANNEL + text, encoding="utf-8")
    path.chmod(0o600)
    return Settings.load(path, {"HOME": str(folder)})


def test_a_channel_has_its_own_ways_and_the_rest_from_all(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        "[statements]\nlate_days = 20\n"
        "[statements.channels.shop]\nown_order_refs = true\ntolerance_minor = 0\n",
    )
    terms = match_terms(settings, ChannelId(1), "shop")
    assert (terms.late, terms.window) == (timedelta(days=20), timedelta(days=30))
    assert (terms.own_order_refs, terms.tolerance_minor) == (True, 0)
    other = match_terms(settings, ChannelId(2), "other")
    assert (other.own_order_refs, other.tolerance_minor) == (False, 1)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("[statements]\ntolerance_minor = -1\n", "statements.tolerance_minor"),
        ("[statements]\nlate_days = true\n", "statements.late_days"),
        ("[statements]\nlate = 3\n", "statements.late"),
        (
            "[statements.channels.shpo]\nlate_days = 3\n",
            "named shpo: remove it, or name one of shop",
        ),
    ],
)
def test_what_is_wrong_is_said_by_line(tmp_path: Path, written: str, said: str) -> None:
    with pytest.raises(SettingsRefused, match=said) as refused:
        load(tmp_path, written)
    assert "consignd.toml:" in str(refused.value)
