"""Tests what a coupon takes off, by figures worked out by hand, and every reason that it does not hold."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.coupons.judging import Basket, BasketLine, Discount, Refused, Standing, Why, judge
from core.coupons.series import CouponKind, Series, series_from_json, series_to_json
from core.errors import InvalidInput, PlanRefused
from core.money.money import Money
from core.types import BuyerId
from tests.coupons.bench import FIVER, NOW, TENTH, basket

ME, OTHER = BuyerId(1), BuyerId(2)
NO_TAGS: frozenset[str] = frozenset()


def judged(series: Series, *prices: int, standing: Standing | None = None, **said: Any) -> Discount | Refused:
    asked = basket("shop", *prices, **said)
    return judge(series, asked, [NO_TAGS] * len(prices), standing or Standing(), NOW)


@pytest.mark.parametrize(
    ("series", "prices", "total", "lines"),
    [
        # 10 % of 20.00 + 9.99 = 2.999, rounded to 3.00; 3.00 * 2000 / 2999 = 2.0006, the rest beside it.
        (TENTH, (2000, 999), 300, (200, 100)),
        # 10 % of 0.05 is half a cent, rounded away from zero.
        (TENTH, (5,), 1, (1,)),
        # 5.00 off 3 x 10.00: 1.666... each; the cents that are left go to the first two.
        (FIVER, (1000, 1000, 1000), 500, (167, 167, 166)),
        # 10 % of 80.00 is 8.00, and 5.00 is the most.
        (replace(TENTH, maximum_minor=500), (8000,), 500, (500,)),
        # Never more than there is to pay.
        (replace(FIVER, minimum_minor=0), (300, 100), 400, (300, 100)),
        (replace(TENTH, rate_ppm=1_000_000), (7, 0, 3), 10, (7, 0, 3)),
        # A free line has no part in it.
        (FIVER, (0, 2000), 500, (0, 500)),
    ],
)
def test_a_discount_is_what_was_worked_out_by_hand(
    series: Series, prices: tuple[int, ...], total: int, lines: tuple[int, ...]
) -> None:
    found = judged(series, *prices)
    assert isinstance(found, Discount)
    assert (found.total, found.lines_minor) == (Money(total, "EUR"), lines)


def test_a_coupon_for_some_goods_takes_off_of_those_alone() -> None:
    series = replace(TENTH, skus=frozenset({"CARD-1"}), tags=frozenset({"steam", "psn"}))
    asked = basket("shop", 1000, 2000, 4000)
    found = judge(series, asked, [NO_TAGS, frozenset({"xbox"}), frozenset({"psn"})], Standing(), NOW)
    # 10 % of 10.00 + 40.00, and nothing of the 20.00 between.
    assert isinstance(found, Discount)
    assert (found.lines_minor, found.good_for_minor) == ((100, 0, 400), 5000)
    least = replace(series, minimum_minor=5001)
    refused = judge(least, asked, [NO_TAGS, frozenset({"xbox"}), frozenset({"psn"})], Standing(), NOW)
    assert isinstance(refused, Refused)
    assert "0.01 EUR" in refused.text


MINE = replace(TENTH, personal=True)
ONCE_EACH = replace(TENTH, per_buyer=1)


@pytest.mark.parametrize(
    ("why", "series", "standing", "said"),
    [
        (Why.REVOKED, TENTH, Standing(revoked=True), {}),
        (Why.EXPIRED, TENTH, Standing(expires_at=NOW), {}),
        (Why.OTHER_CHANNEL, replace(TENTH, channels=frozenset({"market"})), Standing(), {}),
        (Why.OTHER_CURRENCY, TENTH, Standing(), {"currency": "USD"}),
        (Why.NOTHING_FITS, replace(TENTH, skus=frozenset({"OTHER"})), Standing(), {}),
        (Why.BELOW_MINIMUM, replace(TENTH, minimum_minor=1001), Standing(), {}),
        (Why.BELOW_MINIMUM, replace(TENTH, rate_ppm=1), Standing(), {}),
        (Why.BUYER_UNNAMED, MINE, Standing(owner=ME), {}),
        (Why.BUYER_UNNAMED, ONCE_EACH, Standing(), {}),
        (Why.NOT_YOURS, MINE, Standing(owner=ME, buyer=OTHER), {}),
        (Why.BUYER_LIMIT, ONCE_EACH, Standing(buyer=ME, buyer_uses=1), {}),
        (Why.USED_UP, TENTH, Standing(spent_uses=1), {}),
        (Why.HELD, TENTH, Standing(held_uses=1), {}),
        (Why.HELD, replace(TENTH, uses=2), Standing(spent_uses=1, held_uses=1), {}),
        (Why.BUDGET_SPENT, TENTH, Standing(taken_minor=901, budget_minor=1000), {}),
    ],
)
def test_every_reason_is_told(why: Why, series: Series, standing: Standing, said: dict[str, str]) -> None:
    found = judged(series, 1000, standing=standing, **said)
    assert isinstance(found, Refused)
    assert found.why is why
    assert found.text


def test_what_is_just_inside_a_limit_holds() -> None:
    almost = Standing(
        expires_at=NOW + timedelta(microseconds=1),
        owner=ME,
        buyer=ME,
        spent_uses=1,
        buyer_uses=2,
        taken_minor=900,
        budget_minor=1000,
    )
    series = replace(MINE, uses=2, per_buyer=3, minimum_minor=1000, channels=frozenset({"shop"}))
    assert isinstance(judged(series, 1000, standing=almost), Discount)


@given(
    st.sampled_from(CouponKind),
    st.integers(1, 100_000),
    st.integers(1, 1_000_000),
    st.one_of(st.none(), st.integers(1, 100_000)),
    st.lists(
        st.tuples(st.integers(1, 20), st.integers(0, 1_000_000), st.booleans()), min_size=1, max_size=12
    ),
)
def test_lines_always_add_up_and_none_goes_below_zero(
    kind: CouponKind,
    amount: int,
    rate: int,
    maximum: int | None,
    lines: list[tuple[int, int, bool]],
) -> None:
    amount_minor, rate_ppm = (amount, 0) if kind is CouponKind.AMOUNT else (0, rate)
    tags = frozenset({"some"})
    series = Series(
        "s", kind, "EUR", amount_minor=amount_minor, rate_ppm=rate_ppm, maximum_minor=maximum, tags=tags
    )
    asked = Basket("shop", "b", "EUR", tuple(BasketLine("x", count, price) for count, price, _ in lines))
    own = [tags if tagged else NO_TAGS for _, _, tagged in lines]
    found = judge(series, asked, own, Standing(), NOW)
    if isinstance(found, Refused):
        assert found.why in (Why.NOTHING_FITS, Why.BELOW_MINIMUM)
        return
    assert sum(found.lines_minor) == found.total.amount_minor <= found.good_for_minor
    assert maximum is None or found.total.amount_minor <= maximum
    for (count, price, tagged), off in zip(lines, found.lines_minor, strict=True):
        assert 0 <= off <= (count * price if tagged else 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount_minor": 5},
        {"rate_ppm": 0},
        {"rate_ppm": 1_000_001},
        {"uses": 0},
        {"minimum_minor": -1},
        {"budget_minor": 0},
        {"per_buyer": 0},
        {"maximum_minor": 0},
        {"hold": timedelta(0)},
        {"valid_for": timedelta(0)},
    ],
)
def test_a_series_that_contradicts_itself_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(PlanRefused, match="coupons spring"):
        replace(TENTH, **wrong)


def test_a_series_is_kept_as_it_was_said() -> None:
    full = replace(
        TENTH,
        until=NOW,
        maximum_minor=5,
        per_buyer=2,
        skus=frozenset("ba"),
        tags=frozenset("c"),
        channels=frozenset("d"),
        segments=frozenset("e"),
        personal=True,
        budget_minor=9,
        borne_by="Brand",
        remind_days=(7, 1),
        comes_back=False,
    )
    for series in (TENTH, FIVER, full):
        assert series_from_json(series.name, series_to_json(series)) == series


@pytest.mark.parametrize(
    ("ref", "lines"),
    [
        (" ", [("x", 1, 1)]),
        ("b", []),
        ("b", [("x", 0, 1)]),
        ("b", [("x", 1, -1)]),
        ("b", [("x", 1, 2**60)]),
    ],
)
def test_a_basket_that_cannot_be_is_refused(ref: str, lines: list[tuple[str, int, int]]) -> None:
    with pytest.raises(InvalidInput, match="basket"):
        Basket("shop", ref, "EUR", tuple(BasketLine(*line) for line in lines))
