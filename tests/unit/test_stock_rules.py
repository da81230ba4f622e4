"""Shows that the later layer wins number by number, and that every number keeps the name of its rule."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import PlanRefused
from core.money.money import Money
from core.offers.matching import SkuFacts, SkuMatch
from core.offers.stock.rules import (
    CountBuffer,
    Lifted,
    PartBuffer,
    RiskBuffer,
    SharedBy,
    SkuRule,
    StockPolicy,
    StockRule,
)

CARD = SkuFacts(
    frozenset({"steam", "eu"}), "Steam", "gift card", "EU", Money(5000, "EUR"), timedelta(days=40)
)


def test_the_later_layer_wins_number_by_number_and_each_names_its_rule() -> None:
    policy = StockPolicy(
        StockRule(share_ppm=900_000, cap=50, floor=1),
        (
            SkuRule(SkuMatch(tags=frozenset({"steam"})), StockRule(cap=40, priority=2, label="tag steam")),
            SkuRule(SkuMatch(brand="steam"), StockRule(cap=30, bound_permille=1500, label="Steam")),
            SkuRule(SkuMatch(tags=frozenset({"old"})), StockRule(cap=1, label="tag old")),
        ),
    )
    found = policy.of_listing(
        CARD, StockRule(floor=2, place="channels.a.stock"), StockRule(on=False, place="channels.a.listings.7")
    )
    assert found.words() == {
        "on": ("no", "channels.a.listings.7.on"),
        "share": ("90 %", "stock.share"),
        "buffer": ("0", "default"),
        "floor": ("2", "channels.a.stock.floor"),
        "allotment": ("none", "default"),
        "cap": ("30", "stock.cap [Steam]"),
        "tiers": ("all", "default"),
        "priority": ("2", "stock.priority [tag steam]"),
    }
    whole = policy.of_sku(CARD)
    assert (whole.bound_permille.value, whole.bound_permille.source) == (1500, "stock.bound [Steam]")
    assert policy.of_sku(SkuFacts()).bound_permille.value == 1000
    assert policy.largest_bound_permille == 1500
    assert whole.shared_by.value is SharedBy.PROPORTION


def test_a_limit_is_lifted_by_a_later_layer() -> None:
    policy = StockPolicy(StockRule(cap=5, allotment=3, tiers=frozenset({"big"})))
    lifting = StockRule(
        cap=Lifted.LIFTED, allotment=Lifted.LIFTED, tiers=Lifted.LIFTED, place="channels.a.stock"
    )
    found = policy.of_listing(CARD, lifting, None)
    assert (found.cap.value, found.allotment.value, found.tiers.value) == (None, None, None)
    assert found.cap.source == "channels.a.stock.cap"


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        (SkuMatch(), True),
        (SkuMatch(tags=frozenset({"steam", "eu"})), True),
        (SkuMatch(tags=frozenset({"steam", "us"})), False),
        (SkuMatch(brand="STEAM", kind="Gift Card", region="eu"), True),
        (SkuMatch(region="US"), False),
        (SkuMatch(face_value_from=Money(5000, "EUR")), True),
        (SkuMatch(face_value_below=Money(5000, "EUR")), False),
        (SkuMatch(face_value_from=Money(1, "USD")), False),
        (SkuMatch(validity_from=timedelta(days=40)), True),
        (SkuMatch(validity_below=timedelta(days=40)), False),
        (SkuMatch(validity_below=timedelta(days=41), tags=frozenset({"steam"})), True),
    ],
)
def test_a_rule_speaks_of_the_skus_that_fit_all_it_says(match: SkuMatch, fits: bool) -> None:
    assert match.fits(CARD) is fits


def test_what_never_expires_is_valid_longer_than_any_limit_and_no_face_value_is_in_no_range() -> None:
    eternal = SkuFacts()
    assert SkuMatch(validity_from=timedelta(days=9999)).fits(eternal)
    assert not SkuMatch(validity_below=timedelta(days=9999)).fits(eternal)
    assert not SkuMatch(face_value_below=Money(9999, "EUR")).fits(eternal)


@given(st.integers(0, 300), st.lists(st.integers(1, 299), min_size=1, max_size=4, unique=True))
def test_ranges_that_meet_leave_no_face_value_out_and_take_none_twice(face: int, cuts: list[int]) -> None:
    limits = [None, *(Money(cut, "EUR") for cut in sorted(cuts)), None]
    ranges = [
        SkuMatch(face_value_from=low or Money(0, "EUR"), face_value_below=high)
        for low, high in pairwise(limits)
    ]
    assert sum(each.fits(SkuFacts(face_value=Money(face, "EUR"))) for each in ranges) == 1


def test_a_stock_rule_that_makes_no_sense_is_refused() -> None:
    wrong: tuple[Callable[[], object], ...] = (
        lambda: StockRule(share_ppm=-1),
        lambda: StockRule(share_ppm=1_000_001),
        lambda: StockRule(cap=-1),
        lambda: StockRule(floor=-1),
        lambda: StockRule(allotment=-1),
        lambda: StockRule(last_codes=-1),
    )
    for refused in wrong:
        with pytest.raises(PlanRefused, match="stock rule"):
            refused()


def test_a_buffer_or_a_range_that_makes_no_sense_is_refused() -> None:
    wrong: tuple[Callable[[], object], ...] = (
        lambda: CountBuffer(-1),
        lambda: PartBuffer(1_000_001),
        lambda: RiskBuffer(0),
        lambda: RiskBuffer(0.1, 0),
        lambda: SkuMatch(face_value_from=Money(2, "EUR"), face_value_below=Money(2, "EUR")),
        lambda: SkuMatch(face_value_from=Money(1, "EUR"), face_value_below=Money(2, "USD")),
        lambda: SkuMatch(validity_from=timedelta(2), validity_below=timedelta(1)),
    )
    for refused in wrong:
        with pytest.raises(PlanRefused):
            refused()
