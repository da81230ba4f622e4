"""What operators write about settlements becomes the terms that payees are settled by."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from config.problems import SettingsRefused
from config.settings import Settings
from core.money.settlement.terms import Cycle, CycleKind, Payee, PayeeTerms
from scheduler.settlement_terms import settlement_terms
from tests.settlement.house import ADA, BOB


def load(folder: Path, text: str) -> Settings:
    path = folder / "consignd.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return Settings.load(path, {"HOME": str(folder)})


def test_a_payee_has_its_own_ways_and_the_rest_from_all(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        '[settlement]\ncycle = "monthly on day 31"\nminimum = "20.50"\napprovals = 1\nlanguage = "zh"\n'
        "reserve_percent = 2.5\nreserve_days = 30\n"
        '[settlement.payees."consignor/Ada"]\ncycle = "weekly on friday"\npaid_in = "USD"\n'
        "reserve_percent = 0\n"
        '[settlement.payees."party/张 三"]\ncycle = "on demand"\napprovals = 2\n',
    )
    terms = settlement_terms(settings)
    assert terms.of(BOB) == PayeeTerms(
        cycle=Cycle(CycleKind.MONTHLY, 31),
        minimum=Decimal("20.50"),
        paid_in=None,
        approvals=1,
        reserve_ppm=25_000,
        reserve_days=30,
        language="zh",
        rate_max_age=timedelta(days=4),
    )
    ada = terms.of(ADA)
    assert (ada.cycle, ada.paid_in, ada.reserve_ppm) == (Cycle(CycleKind.WEEKLY, 4), "USD", 0)
    assert (ada.minimum, ada.approvals, ada.language) == (Decimal("20.50"), 1, "zh")
    assert terms.of(Payee("party", "张 三")).approvals == 2


def test_nothing_happens_by_itself_unless_it_is_written(tmp_path: Path) -> None:
    assert settlement_terms(load(tmp_path, "")).of(ADA).cycle == Cycle(CycleKind.ON_DEMAND)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('[settlement]\ncycle = "daily"\n', "settlement.cycle: .*weekly on monday"),
        ('[settlement]\ncycle = "monthly on day 32"\n', "settlement.cycle"),
        ("[settlement]\napprovals = 3\n", "settlement.approvals"),
        ("[settlement]\napprovals = true\n", "settlement.approvals"),
        ("[settlement]\nminimum = -1\n", "settlement.minimum"),
        ('[settlement]\npaid_in = "usd"\n', "settlement.paid_in"),
        ('[settlement]\nlanguage = "de"\n', "settlement.language"),
        ("[settlement]\nreserve = 3\n", "settlement.reserve"),
        ('[settlement.payees."Ada"]\napprovals = 1\n', "consignor/Ada"),
        ('[settlement.payees."channel/shop"]\napprovals = 1\n', "not a payee"),
        ('[settlement.payees."consignor/Ada"]\ncycles = 1\n', "cycles"),
    ],
)
def test_what_is_wrong_is_said_by_line(tmp_path: Path, written: str, said: str) -> None:
    with pytest.raises(SettingsRefused, match=said) as refused:
        load(tmp_path, written)
    assert "consignd.toml:" in str(refused.value)
