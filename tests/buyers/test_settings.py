"""Tests what an operator may write about buyers and tax, and what becomes of it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from config.problems import SettingsRefused
from config.settings import Settings
from core.buyers.fact_terms import TaxRule
from core.buyers.segments import Segment
from core.money.plans.rules import CONSIGNOR, OPERATOR, Base, Plan, Rule
from scheduler.buyer_terms import fact_terms, referral_terms, segments_written

SHOP = """
[channels.shop]
connector = "eneba"
currency = "EUR"

[splits.default]
rules = [{ party = "consignor", rest = true }]

[[tax]]
rate_percent = "7"
channels = ["shop"]
tags = ["books"]

[[tax]]
rate_percent = "19.5"
included = false

[buyers]
attribution_days = 30
marks_days = 90

[segments.vip]
turnover = "1000"
currency = "JPY"
turnover_days = 90
unless_lists = ["staff"]
"""


def load(folder: Path, text: str) -> Settings:
    path = folder / "consignd.toml"
    path.write_text(text)
    return Settings.load(path, {})


def test_what_is_written_becomes_terms(tmp_path: Path) -> None:
    settings = load(tmp_path, SHOP)
    rest = Rule("rest", CONSIGNOR, rest=True)
    plain, taxed = Plan("p", (rest,)), Plan("t", (Rule("tax", OPERATOR, base=Base.TAX, rate_ppm=1), rest))
    terms = fact_terms(settings, "shop", [plain])
    assert (terms.hears_tax, terms.keeps_marks) == (False, True)
    assert fact_terms(settings, "shop", [plain, taxed]).hears_tax
    books, others = terms.tax_rule({"books", "x"}), terms.tax_rule({"x"})
    assert isinstance(books, TaxRule)
    assert isinstance(others, TaxRule)
    assert (books.rate_ppm, books.included) == (70_000, True)
    assert (others.rate_ppm, others.included) == (195_000, False)
    assert others.origin.endswith("consignd.toml:15")
    assert fact_terms(settings, "another", [plain]).tax_rule({"books"}) == others
    assert referral_terms(settings).holds == timedelta(days=30)
    assert segments_written(settings) == (
        Segment("vip", turnover_minor=1000, currency="JPY", turnover_days=90, unless_lists=("staff",)),
    )


def test_without_a_word_the_first_holds_a_year_and_no_marks_are_kept(tmp_path: Path) -> None:
    settings = load(tmp_path, "")
    assert referral_terms(settings).holds == timedelta(days=365)
    assert settings.buyers.marks_days == 0
    assert referral_terms(load(tmp_path, "[buyers]\nattribution_days = 0")).holds is None


@pytest.mark.parametrize(
    ("text", "place", "told"),
    [
        ("[segments.a]\nturnover = 5", "segments.a", "go together"),
        ("[segments.a]\nturnover_days = 5", "segments.a", "everybody would belong"),
        ("[segments.a]\norders_from = 5\norders_to = 4", "segments.a", "exchange them"),
        ("[segments.a]\norder_from = 5", "segments.a.order_from", "orders_from"),
        ("[[tax]]\nrate_percent = 101", "tax[0].rate_percent", "100"),
        (
            "[[tax]]\nrate_percent = 1\nchannels = ['nowhere']",
            "tax[0].channels",
            "no channel is named",
        ),
        ("[buyers]\nmarks_days = true", "buyers.marks_days", "write a number"),
        ("[buyers]\nattribution_days = -1", "buyers.attribution_days", "0"),
    ],
)
def test_what_makes_no_sense_is_refused_by_line(tmp_path: Path, text: str, place: str, told: str) -> None:
    with pytest.raises(SettingsRefused) as refused:
        load(tmp_path, text)
    (problem,) = refused.value.problems
    assert (problem.path.replace(".0.", "[0]."), problem.line is not None) == (place, True)
    assert told in problem.text


def test_an_amount_finer_than_its_currency_is_refused_where_it_stands(tmp_path: Path) -> None:
    settings = load(tmp_path, "[segments.a]\nturnover = '5.5'\ncurrency = 'JPY'")
    with pytest.raises(SettingsRefused, match=r"consignd\.toml:2.*0 decimals"):
        segments_written(settings)
