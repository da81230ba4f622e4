"""What operators write about coupons becomes series; what cannot be is said by line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from config.problems import SettingsRefused
from config.settings import Settings
from core.coupons.series import CouponKind, Series
from scheduler.coupon_terms import coupon_series

SHOP = """[splits.default]
rules = [{ party = "consignor", rest = true }]
[channels.shop]
connector = "woocommerce"
currency = "EUR"
[segments.gold]
orders_from = 3
"""
FULL = """[coupons.spring]
kind = "percent"
percent = "12.5"
currency = "EUR"
minimum_order = "20.00"
maximum_discount = "10"
valid_days = 30
until = 2027-01-01
uses = 2
per_buyer = 3
skus = ["CARD-20"]
tags = ["steam"]
channels = ["shop"]
segments = ["gold"]
transferable = false
budget = "1000"
borne_by = "Brand"
remind_days = [1, 7]
hold_minutes = 15
after_refund = "keep"
"""


def load(folder: Path, text: str) -> Settings:
    path = folder / "consignd.toml"
    path.write_text(SHOP + text, encoding="utf-8")
    path.chmod(0o600)
    return Settings.load(path, {"HOME": str(folder)})


def test_everything_that_is_written_counts(tmp_path: Path) -> None:
    assert coupon_series(load(tmp_path, FULL)) == {
        "spring": Series(
            name="spring",
            kind=CouponKind.PERCENT,
            currency="EUR",
            rate_ppm=125_000,
            minimum_minor=2000,
            maximum_minor=1000,
            valid_for=timedelta(days=30),
            until=datetime(2027, 1, 1, tzinfo=UTC),
            uses=2,
            per_buyer=3,
            skus=frozenset({"CARD-20"}),
            tags=frozenset({"steam"}),
            channels=frozenset({"shop"}),
            segments=frozenset({"gold"}),
            personal=True,
            budget_minor=100_000,
            borne_by="Brand",
            remind_days=(7, 1),
            hold=timedelta(minutes=15),
            comes_back=False,
        )
    }


def test_little_is_enough(tmp_path: Path) -> None:
    written = '[coupons.five]\nkind = "amount"\namount = 500\ncurrency = "JPY"\nuntil = 2027-01-01T09:30:00\n'
    (series,) = coupon_series(load(tmp_path, written)).values()
    assert (series.amount_minor, series.uses, series.personal) == (500, 1, False)
    assert series.until == datetime(2027, 1, 1, 9, 30, tzinfo=UTC)


HEAD = '[coupons.five]\nkind = "amount"\namount = "5"\ncurrency = "EUR"\n'
TENTH = '[coupons.ten]\nkind = "percent"\npercent = 10\ncurrency = "EUR"\n'


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (HEAD.replace('amount = "5"', 'amount = "0"'), "takes off an amount"),
        (HEAD + "percent = 3\n", "no percent"),
        (TENTH.replace("percent = 10\n", ""), "takes that off"),
        (TENTH + "amount = 3\n", "no amount"),
        (TENTH.replace("= 10", "= 101"), "coupons.ten.percent"),
        (HEAD + "budget = 0\n", "budget is 0"),
        (HEAD + "uses = 0\n", "coupons.five.uses"),
        (HEAD + "per_buyer = true\n", "coupons.five.per_buyer"),
        (HEAD + "remind_days = [3]\n", "nothing to count to"),
        (HEAD + "valid_days = 3\nremind_days = [3]\n", "holds for 3 days"),
        (HEAD + "valid_days = 9\nremind_days = [3, 3]\n", "names a day twice"),
        (HEAD + 'channels = ["shpo"]\n', "no channel is named shpo"),
        (HEAD + 'segments = ["silver"]\n', "no segment is named silver"),
        (HEAD + 'after_refund = "burn"\n', "coupons.five.after_refund"),
        (HEAD + "minimum = 3\n", "coupons.five.minimum"),
        ("[coupons.Five]\n", "coupons"),
    ],
)
def test_what_is_wrong_is_said_by_line(tmp_path: Path, written: str, said: str) -> None:
    with pytest.raises(SettingsRefused, match=said) as refused:
        load(tmp_path, written)
    assert "consignd.toml:" in str(refused.value)


def test_an_amount_finer_than_its_currency_is_placed(tmp_path: Path) -> None:
    settings = load(tmp_path, HEAD.replace('"5"', '"5.001"'))
    with pytest.raises(SettingsRefused, match=r"consignd\.toml:\d+: coupons\.five\.amount: .*2 decimals"):
        coupon_series(settings)
